//! What goes around a piece of content?

/// The octets before and after one piece of content, for callers that send the content by themselves (`writev`, `sendfile`).
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// A chunk-size line, right-aligned.
    line: [u8; 18],
    start: u8,
}

impl Frame {
    /// Content that needs no framing.
    pub(crate) const fn bare() -> Self {
        Self { line: [0; 18], start: 18 }
    }

    /// A chunk of `len` octets.
    pub(crate) fn chunk(len: u64) -> Self {
        let mut line = [0; 18];
        line[16..].copy_from_slice(b"\r\n");
        let (mut start, mut rest) = (16, len);
        loop {
            start -= 1;
            line[start] = b"0123456789abcdef"[(rest & 15) as usize];
            rest >>= 4;
            if rest == 0 {
                return Self { line, start: start as u8 };
            }
        }
    }

    /// To be sent before the content.
    pub fn prefix(&self) -> &[u8] {
        self.line.get(usize::from(self.start)..).unwrap_or_default()
    }

    /// To be sent behind it.
    pub fn suffix(&self) -> &'static [u8] {
        if self.prefix().is_empty() { b"" } else { b"\r\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_lines() {
        assert_eq!((Frame::chunk(10).prefix(), Frame::chunk(10).suffix()), (&b"a\r\n"[..], &b"\r\n"[..]));
        assert_eq!(Frame::chunk(u64::MAX).prefix(), b"ffffffffffffffff\r\n");
        assert_eq!((Frame::bare().prefix(), Frame::bare().suffix()), (&b""[..], &b""[..]));
    }
}
