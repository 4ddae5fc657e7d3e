//! Does the program say clearly what is wrong, and end with the status that it promises?
#![cfg(feature = "cli")]

use std::net::TcpListener;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cherrystone")).args(arguments).output().unwrap()
}

/// The one line that it ended with, and its status.
fn refused(arguments: &[&str]) -> (String, Option<i32>) {
    let output = run(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("file"), "no certificate").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let hello = |rest: &[&str]| [&["--hello"], rest].concat().join(" ");
    for (line, words) in [
        (path("none"), "no such directory"),
        (path("file"), "it is not a directory"),
        (hello(&["--bind", &taken]), "the address is in use"),
        (hello(&["--bind", "192.0.2.1:8070"]), "this machine does not have that address"),
        (hello(&["--bind", &format!("unix:{}", path("none/s"))]), "no such directory"),
        (hello(&["--bind", &format!("unix:{}", path("file"))]), "a regular file is in the way"),
        (hello(&["--bind", "127.0.0.1:0", "--metrics", &taken]), "the address is in use"),
        (hello(&["--access-log", &path("none/log")]), "cannot write"),
        (hello(&["--tls-cert", &path("none"), "--tls-key", &path("none")]), "no such file"),
        (hello(&["--tls-cert", &path("file"), "--tls-key", &path("file")]), &path("file")),
    ] {
        let (said, status) = refused(&line.split(' ').collect::<Vec<_>>());
        assert!(said.starts_with("cherrystone: ") && said.contains(words), "{line}: {said}");
        assert_eq!((said.lines().count(), status), (1, Some(1)), "{line}: {said}");
        assert!(!said.contains("os error"), "{line}: {said}");
    }
}

#[test]
fn what_makes_no_sense_names_the_flag_and_the_right_form() {
    for (arguments, words) in [
        (&["--hello", "--bind", ":8070"][..], &["--bind", ":8070", "0.0.0.0:8070"][..]),
        (&["--hello", "--max-body", "1.5K"], &["--max-body", "1.5K", "10M"]),
        (&["--hello", "--threads", "8:2"], &["--threads", "MIN is more than MAX"]),
        (&["--hello", "--proxy-protocol", "10.1.2.3/8"], &["--proxy-protocol", "10.0.0.0/8,::1"]),
        (&["--hello", "--backend", "uring"], &["--backend", "threads, mio"]),
        (&["--hello", "--head-timeout", "0"], &["--head-timeout", "more than 0"]),
        (&["--hello", "--no-such-flag"], &["--no-such-flag"]),
        (&["--bind", "127.0.0.1:0"], &["DIR", "--hello"]),
        (&["--hello", "--config", "/nowhere"], &["--config", "/nowhere"]),
    ] {
        let (said, status) = refused(arguments);
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
        assert_eq!(status, Some(2), "{arguments:?}: {said}");
        assert!(!said.contains('\u{1b}'), "colours are for terminals: {said:?}");
    }
}

#[test]
fn what_was_asked_for_goes_to_the_standard_output() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["--help-all"],
        &["--version"],
        &["--hello", "--print-config"],
        &["completions", "bash"],
        &["completions", "--help"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty() && output.stdout.len() > 10, "{arguments:?}");
        assert!(!output.stdout.contains(&0x1b), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_an_error_in_one_line() {
    for arguments in [&["--hello", "--print-config"][..], &["completions", "bash"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cherrystone")).args(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), &said[..]),
            (Some(1), "cherrystone: No space left on device\n"),
            "{arguments:?}"
        );
    }
}
