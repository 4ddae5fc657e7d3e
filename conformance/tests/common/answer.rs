//! What has a server answered?

/// One answer, read to the end that its framing says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether it came whole.
    pub is_complete: bool,
}

impl Answer {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether it announces the end of the connection.
    pub fn closes(&self) -> bool {
        self.field("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// How much of `octets` is content that has come, and whether that is all of it. `ended`: nothing follows.
pub(super) fn body(head: &str, octets: &[u8], ended: bool) -> Option<(Vec<u8>, usize, bool)> {
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let status: u16 = head[9..12].parse().unwrap();
    if status < 200 || status == 204 || status == 304 {
        return Some((Vec::new(), 0, true));
    }
    if let Some(length) = field("Content-Length") {
        let length: usize = length.parse().unwrap();
        if octets.len() >= length || ended {
            let n = length.min(octets.len());
            return Some((octets[..n].to_vec(), n, n == length));
        }
        return None;
    }
    if field("Transfer-Encoding").is_some() {
        return chunked(octets, ended);
    }
    ended.then(|| (octets.to_vec(), octets.len(), true))
}

fn chunked(octets: &[u8], ended: bool) -> Option<(Vec<u8>, usize, bool)> {
    let mut content = Vec::new();
    let mut at = 0;
    let cut = |content: &Vec<u8>| ended.then(|| (content.clone(), octets.len(), false));
    loop {
        let Some(len) = octets[at..].windows(2).position(|two| two == b"\r\n") else { return cut(&content) };
        let size = usize::from_str_radix(std::str::from_utf8(&octets[at..at + len]).unwrap(), 16).unwrap();
        at += len + 2;
        if octets.len() < at + size + 2 {
            return cut(&content);
        }
        content.extend_from_slice(&octets[at..at + size]);
        assert_eq!(&octets[at + size..at + size + 2], b"\r\n", "a chunk ends as it should");
        at += size + 2;
        if size == 0 {
            return Some((content, at, true));
        }
    }
}
