//! How fast does a server on TLS answer? A load generator for `bench/tls/run.py`, and a measure of single handshakes.
//!
//! ```text
//! tls_load load ADDRESS --path /1k --seconds 3 [--resume] [--keep] [--tls 1.2] [--suite AES_256]
//! tls_load handshake CERTIFICATE KEY
//! ```
//!
//! `load` asks again and again, one thread for each client, and prints a line `requests octets resumed seconds`. It trusts any
//! certificate: what the client saves by that, the server has to itself. `handshake` plays handshakes in memory, and prints
//! how long the server's side works in one piece: that is how long other connections of its loop wait.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cherrystone::{RecvBuf, SendBuf, Tls};
use clap::{Parser, Subcommand};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned};

/// Load on a server that speaks TLS.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask again and again
    Load(Load),
    /// Time the server's side of handshakes in memory
    Handshake {
        /// Certificate, PEM
        certificate: PathBuf,
        /// Private key, PEM
        key: PathBuf,
    },
}

#[derive(clap::Args, Clone)]
struct Load {
    /// Where the server is
    address: SocketAddr,
    /// What is asked for
    #[arg(long, default_value = "/")]
    path: String,
    /// How long
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How many at once
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Resume sessions
    #[arg(long)]
    resume: bool,
    /// Keep connections
    #[arg(long)]
    keep: bool,
    /// 1.2 or 1.3
    #[arg(long, default_value = "1.3")]
    tls: String,
    /// Part of the name of the cipher suite
    #[arg(long, default_value = "AES_128_GCM")]
    suite: String,
}

/// What came of it.
#[derive(Default)]
struct Sum {
    requests: u64,
    octets: u64,
    resumed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    match CommandLine::parse().command {
        Command::Load(load) => {
            let begun = Instant::now();
            let until = begun + Duration::from_secs_f64(load.seconds);
            let clients: Vec<_> = (0..load.clients)
                .map(|_| {
                    let load = load.clone();
                    std::thread::spawn(move || load.run(until).map_err(|error| error.to_string()))
                })
                .collect();
            let mut sum = Sum::default();
            for client in clients {
                let part = client.join().map_err(|_| "a client panicked")??;
                sum.requests += part.requests;
                sum.octets += part.octets;
                sum.resumed += part.resumed;
            }
            println!("{} {} {} {:.3}", sum.requests, sum.octets, sum.resumed, begun.elapsed().as_secs_f64());
            Ok(())
        }
        Command::Handshake { certificate, key } => handshakes(&Tls::from_pem_files(certificate, key)?),
    }
}

impl Load {
    fn config(&self) -> Result<ClientConfig, Box<dyn Error>> {
        let mut provider = ring::default_provider();
        provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(&self.suite));
        let versions: &[_] = if self.tls == "1.2" { &[&TLS12] } else { &[&TLS13] };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        config.resumption = if self.resume { Resumption::in_memory_sessions(16) } else { Resumption::disabled() };
        Ok(config)
    }

    fn run(&self, until: Instant) -> Result<Sum, Box<dyn Error>> {
        let config = Arc::new(self.config()?);
        let ending = if self.keep { "" } else { "Connection: close\r\n" };
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{ending}\r\n", self.path);
        let mut buffer = vec![0; 256 << 10];
        let mut sum = Sum::default();
        while Instant::now() < until {
            let session = ClientConnection::new(Arc::clone(&config), ServerName::try_from("localhost")?)?;
            let socket = TcpStream::connect(self.address)?;
            socket.set_nodelay(true)?;
            let mut stream = StreamOwned::new(session, socket);
            loop {
                stream.write_all(request.as_bytes())?;
                sum.octets += answer(&mut stream, &mut buffer)?;
                sum.requests += 1;
                if !self.keep || Instant::now() >= until {
                    break;
                }
            }
            if !self.keep {
                // The tickets come with the answer, and the end behind it.
                while stream.read(&mut buffer)? > 0 {}
            }
            sum.resumed += u64::from(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
        }
        Ok(sum)
    }
}

/// Reads one answer that says how long it is.
fn answer(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<u64> {
    let mut filled = 0;
    let (end, length) = loop {
        let n = stream.read(&mut buffer[filled..])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += n;
        if let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<u64>().ok());
            if !head.starts_with("http/1.1 200 ") {
                return Err(io::Error::other(head));
            }
            break (end + 4, length.ok_or_else(|| io::Error::other("no length"))?);
        }
    };
    let mut left = length.saturating_sub((filled - end) as u64);
    while left > 0 {
        let n = stream.read(buffer)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(n as u64);
    }
    Ok(length)
}

/// Plays full handshakes, and prints the time of the longest piece of each.
fn handshakes(tls: &Tls) -> Result<(), Box<dyn Error>> {
    const ROUNDS: usize = 200;
    let load = Load {
        address: SocketAddr::from(([0; 4], 0)),
        path: String::new(),
        seconds: 0.0,
        clients: 1,
        resume: false,
        keep: false,
        tls: "1.3".into(),
        suite: "AES_128_GCM".into(),
    };
    let config = Arc::new(load.config()?);
    let (mut pieces, mut sums) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut stage = tls.stage();
        let mut client = ClientConnection::new(Arc::clone(&config), ServerName::try_from("localhost")?)?;
        let (mut wire, mut rx, mut out) = (RecvBuf::default(), RecvBuf::default(), SendBuf::default());
        let (mut longest, mut sum) = (Duration::ZERO, Duration::ZERO);
        while client.is_handshaking() || stage.is_handshaking() {
            let mut flight = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut flight)?;
            }
            wire.push(&flight);
            let begun = Instant::now();
            stage.open(&mut wire, &mut rx, &mut out)?;
            let took = begun.elapsed();
            longest = longest.max(took);
            sum += took;
            let mut answer = out.unsent();
            while !answer.is_empty() {
                client.read_tls(&mut answer)?;
                client.process_new_packets()?;
            }
            out.advance(usize::MAX);
        }
        pieces.push(longest);
        sums.push(sum);
    }
    pieces.sort();
    sums.sort();
    let [piece, sum] = [&pieces, &sums].map(|times| times[ROUNDS / 2].as_secs_f64() * 1e6);
    println!("longest piece {piece:.0} us, whole handshake {sum:.0} us (medians of {ROUNDS})");
    Ok(())
}

/// Trusts everybody.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
