//! Which server do the engine's own tests judge?
//!
//! A small one on threads, right in the cases of `tests/data`, with one fault of choice. It shares no code with the
//! project's server: a fault common to both would otherwise hide.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What is wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Takes a bare LF for a line end.
    BareLf,
    /// Takes a plus sign in a length.
    PlusSign,
    /// Sends content to HEAD.
    HeadContent,
    /// Closes after each answer without saying so.
    ClosesSilently,
    /// Closes after each answer, and says so.
    ClosesWithNotice,
    /// Stays open when asked to close.
    NeverCloses,
    /// Sends an octet more than it says.
    SurplusOctet,
    /// Ends its lines with a bare LF.
    LfAnswers,
    /// Has a Date of its own making.
    BadDate,
    /// Gives back content one octet short.
    ShortEcho,
    /// Answers pipelined requests in reverse.
    Reversed,
    /// Has no `/echo`.
    NoEcho,
    /// Serves one connection at a time.
    OneAtATime,
    /// Accepts no more after this many connections.
    DiesAfter(usize),
    /// Accepts, but never says anything.
    Silent,
}

/// Serves until the process ends; the address.
pub(crate) fn serve(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let served = AtomicUsize::new(0);
        for stream in listener.incoming().flatten() {
            let number = served.fetch_add(1, Ordering::Relaxed);
            if matches!(fault, Fault::DiesAfter(most) if number >= most) {
                return;
            }
            // A client that goes away is none of our business.
            let serve = move || drop(converse(stream, fault));
            if fault == Fault::OneAtATime {
                serve();
            } else {
                thread::spawn(serve);
            }
        }
    });
    address
}

fn converse(mut stream: TcpStream, fault: Fault) -> io::Result<()> {
    stream.set_nodelay(true)?;
    speak(&mut stream, fault)?;
    // Reading on keeps a reset from destroying the last answer.
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(std::time::Duration::from_millis(500)))?;
    io::copy(&mut stream, &mut io::sink()).map(|_| ())
}

/// Serves requests over any stream until one of them is the last.
pub(crate) fn speak(stream: &mut (impl Read + Write), fault: Fault) -> io::Result<()> {
    let mut seen = Vec::new();
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let request = match take(&mut seen, fault) {
            Taken::Request(request) => request,
            Taken::Bad => {
                return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
            Taken::More => {
                while let Some(answer) = held.pop() {
                    stream.write_all(&answer)?;
                }
                let mut buffer = vec![0; 64 << 10];
                match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    n => seen.extend_from_slice(&buffer[..n]),
                }
                continue;
            }
        };
        if fault == Fault::Silent {
            continue;
        }
        let last = (request.close && fault != Fault::NeverCloses)
            || matches!(fault, Fault::ClosesSilently | Fault::ClosesWithNotice);
        let answer = answer(&request, last, fault);
        if fault == Fault::Reversed && !last {
            held.push(answer);
        } else {
            stream.write_all(&answer)?;
        }
        if last {
            return Ok(());
        }
    }
}

struct Request {
    head_only: bool,
    path: String,
    close: bool,
    content: Vec<u8>,
}

enum Taken {
    Request(Request),
    More,
    Bad,
}

fn take(seen: &mut Vec<u8>, fault: Fault) -> Taken {
    if seen.starts_with(b"\r\n") {
        seen.drain(..2);
    }
    // No head of these cases is longer; looking at large content again and again would take the time of the test.
    let scanned = &seen[..seen.len().min(4096)];
    let bare = scanned.windows(2).position(|two| two[1] == b'\n' && two[0] != b'\r');
    let whole = scanned.windows(4).position(|four| four == b"\r\n\r\n").map(|n| (n, n + 4));
    let loose = scanned.windows(2).position(|two| two == b"\n\n").map(|n| (n, n + 2));
    let (end, after) = match (whole, loose) {
        (Some(end), _) if bare.is_none_or(|bare| bare > end.0) => end,
        (_, Some(end)) if fault == Fault::BareLf => end,
        _ if bare.is_some() && fault != Fault::BareLf => return Taken::Bad,
        _ => return Taken::More,
    };
    let head = String::from_utf8_lossy(&seen[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { head_only: method == "HEAD", path: path.to_owned(), close: false, content: Vec::new() };
    let mut length = 0;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return Taken::Bad };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("connection", "close") => request.close = true,
            ("content-length", value) => {
                let value = if fault == Fault::PlusSign { value.trim_start_matches('+') } else { value };
                match value.parse::<usize>() {
                    Ok(n) if !value.starts_with('+') => length = n,
                    _ => return Taken::Bad,
                }
            }
            _ => {}
        }
    }
    if length > 1 << 20 {
        return Taken::Bad;
    }
    if seen.len() < after + length {
        return Taken::More;
    }
    request.content = seen[after..after + length].to_vec();
    seen.drain(..after + length);
    Taken::Request(request)
}

fn answer(request: &Request, last: bool, fault: Fault) -> Vec<u8> {
    let (status, content) = match request.path.as_str() {
        "/" => ("200 OK", b"ok".to_vec()),
        "/echo" if fault != Fault::NoEcho => ("200 OK", request.content.clone()),
        _ => ("404 Not Found", b"not found".to_vec()),
    };
    let content = match content.split_last() {
        Some((_, rest)) if fault == Fault::ShortEcho && request.path == "/echo" && rest.len() == 4 => rest.to_vec(),
        _ => content,
    };
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", content.len());
    if last && fault != Fault::ClosesSilently {
        head.push_str("Connection: close\r\n");
    }
    if fault == Fault::BadDate {
        head.push_str("Date: Sun Nov  6 08:49:37 1994\r\n");
    }
    head.push_str("\r\n");
    if fault == Fault::LfAnswers {
        head = head.replace("\r\n", "\n");
    }
    let mut out = head.into_bytes();
    if !request.head_only || fault == Fault::HeadContent {
        out.extend_from_slice(&content);
    }
    if fault == Fault::SurplusOctet {
        out.push(b'!');
    }
    out
}
