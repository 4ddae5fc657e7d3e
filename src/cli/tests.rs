//! Whole command lines.

use super::*;

fn parse(line: &str) -> Result<Action, clap::Error> {
    Action::parse_from(std::iter::once("cherrystone").chain(line.split_whitespace()))
}

fn serve(line: &str) -> Serve {
    match parse(line) {
        Ok(Action::Serve(serve)) => serve,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    parse(line).map(|action| format!("{action:?}")).unwrap_err().to_string()
}

#[test]
fn definitions_are_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn serve_may_be_left_out() {
    for line in
        ["--hello", "serve --hello", "--hello --bind [::1]:0", "www --backend mio --threads 1:2 --listing", "./serve"]
    {
        let (short, long) = (serve(line), serve(&format!("serve {}", line.trim_start_matches("serve "))));
        assert_eq!(short.to_string(), long.to_string());
    }
    assert!(matches!(serve("serve serve").what, What::Files(dir, _) if dir.as_os_str() == "serve"));
}

#[test]
fn defaults() {
    let serve = serve("--hello");
    assert!(matches!(serve.what, What::Hello));
    assert_eq!(serve.bind, ["127.0.0.1:8070"]);
    assert_eq!((serve.backend, serve.access_log, serve.log_level), (Backend::Threads, None, LogLevel::Warn));
    assert_eq!(serve.settings.to_string(), Settings::default().to_string());
}

#[test]
fn everything_can_be_said() {
    let serve = serve(
        "www --bind 0.0.0.0:80 --bind unix:@site --backend mio --access-log - --log-level debug --index home.html --listing \
         --dot-files --follow-links --max-body 1M",
    );
    let What::Files(dir, options) = &serve.what else { panic!("{:?}", serve.what) };
    assert_eq!((dir.as_os_str(), options.index.as_deref()), ("www".as_ref(), Some("home.html")));
    assert_eq!(options.listing, files::Listing::On);
    assert_eq!((options.symlinks, options.dot_files), (files::Symlinks::Anywhere, files::DotFiles::Serve));
    assert_eq!(serve.bind, ["0.0.0.0:80", "unix:@site"]);
    assert_eq!((serve.backend, serve.log_level), (Backend::Mio, LogLevel::Debug));
    assert_eq!(serve.access_log, Some(AccessLog::Stdout));
    assert_eq!(serve.settings.config.limits.body, 1 << 20);
}

#[test]
fn file_switches_are_off_until_given() {
    let What::Files(_, options) = serve("www").what else { panic!("expected files") };
    assert_eq!(options.listing, files::Listing::Off);
    assert_eq!((options.symlinks, options.dot_files), (files::Symlinks::Inside, files::DotFiles::Hide));
}

#[test]
fn contradictions_are_refused_in_clear_words() {
    for (line, words) in [
        ("--bind 127.0.0.1:80", "--hello"),
        ("www --hello", "cannot be used with"),
        ("one two", "two"),
        ("--hello --listing", "cannot be used with"),
        ("--hello --backend uring", "threads, mio"),
        ("--hello --log-level loud", "trace"),
        ("--hello --bind=", "--bind"),
        ("--hello --max-head 9", "between 256 and 65535"),
        ("--hello --tls-min 1.3", "--tls-min needs --tls-cert and --tls-key"),
        ("--hello --tls-client-ca ca.pem", "--tls-client-ca needs --tls-cert"),
        ("--hello --tls-redirect", "--tls-redirect needs --tls-cert"),
        ("--hello --tls-cert a --tls-key b --tls-cert c", "come in pairs: 2 and 1"),
        ("--hello --thread 1", "--threads"),
        ("serve", "Usage"),
        ("", "Usage"),
        ("completions", "<SHELL>"),
    ] {
        let message = refused(line);
        assert!(message.contains(words), "{line}: {message}");
    }
}

#[test]
fn help_fits_a_screen() {
    let help = refused("--help");
    assert_eq!(help, refused("-h"));
    assert_eq!(help, refused("serve --help"));
    let widest = help.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(help.lines().count() <= 40 && widest <= 96, "{} lines of {widest}\n{help}", help.lines().count());
    assert!(help.contains("cherrystone ./public --listing"));
    assert!(!help.contains("completions"));
    for line in EXAMPLES.lines().skip(1) {
        serve(line.trim().trim_start_matches("cherrystone "));
    }
}

#[test]
fn the_rest_of_the_help_has_everything() {
    let all = refused("--help-all");
    assert_eq!(all, refused("serve www --help-all"));
    for argument in CommandLine::command().get_arguments().filter_map(clap::Arg::get_long) {
        assert!(all.contains(&format!("--{argument}")), "{argument}");
    }
    assert!(all.contains("SIGUSR2") && all.contains("Exit status") && all.contains("completions bash"));
    assert!(all.lines().all(|line| line.chars().count() <= 110), "{all}");
    for line in MORE.lines().skip(1).take_while(|line| !line.is_empty()) {
        let command = line.trim().trim_start_matches("cherrystone ").split([';', '>']).next().unwrap();
        assert!(parse(command).is_ok(), "{command}");
    }
}

/// A command line with a file of settings that says this.
fn with_file(settings: &str, rest: &str) -> Result<Action, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings");
    std::fs::write(&file, settings).unwrap();
    parse(&format!("{rest} --config {}", file.display())).map_err(|error| error.to_string())
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    for line in [
        "--hello",
        "www --listing --index home.html --bind 127.0.0.1:1 --bind unix:@x --backend mio --access-log a.log --log-format json",
        "--hello --proxy-protocol 10.0.0.0/8 --x-forwarded ::1/128 --metrics 127.0.0.1:9070 --activation try --unix-mode 660 --reuse-port --max-body none",
        "--hello --tls-cert c --tls-key k --tls-client-ca a --tls-client-auth optional --tls-min 1.3 --idle-timeout 0.5",
    ] {
        let printed = serve(line).to_string();
        match with_file(&printed, "") {
            Ok(Action::Serve(again)) => assert_eq!(again.to_string(), printed),
            other => panic!("{line}: {other:?}"),
        }
        assert!(matches!(with_file(&printed, "serve"), Ok(Action::Serve(_))), "{line}");
    }
}

#[test]
fn a_directory_may_have_the_name_of_a_flag() {
    let Ok(Action::Serve(serve)) = with_file("dir = -listing\nqueue = 7", "") else { panic!() };
    assert!(matches!(serve.what, What::Files(dir, _) if dir.as_os_str() == "./-listing"));
}

#[test]
fn the_command_line_counts_more_than_the_file() {
    let file = "hello = yes\nthreads = 1:2\nqueue = 7\nbind = 127.0.0.1:1\n# limits.drain = 3\n\n";
    let Ok(Action::Serve(serve)) = with_file(file, "www --threads 3 --bind 127.0.0.1:2") else { panic!() };
    assert!(matches!(serve.what, What::Files(..)));
    assert_eq!((serve.bind, serve.settings.threads.max, serve.settings.queue), (vec!["127.0.0.1:2".into()], 3, 7));
    for (file, words) in [
        ("threads", "line 1: expected NAME = VALUE"),
        ("\nthreads = 0", "settings, line 2: invalid value '0' for '--threads"),
        ("backend = apache", "settings, line 1: invalid value 'apache' for '--backend"),
        ("listing = maybe", "either yes or no"),
        ("colour = red", "settings, line 1: unexpected argument '--colour'"),
        ("config = other", "leads to no other"),
    ] {
        let error = with_file(file, "--hello").unwrap_err();
        assert!(error.contains(words), "{file}: {error}");
    }
    assert!(refused("--hello --config /nowhere/at/all").contains("cannot read /nowhere/at/all: no such file"));
    assert!(!refused("--hello --config /").contains("os error"));
}

#[test]
fn printed_settings_name_every_flag() {
    let Ok(Action::PrintConfig(config)) = parse("www --print-config --tls-cert c --tls-key k --tls-client-ca a") else {
        panic!("expected settings")
    };
    let text = config.to_string();
    for argument in CommandLine::command().get_arguments().filter_map(clap::Arg::get_long) {
        let said = text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{argument} = ")));
        let is_setting = !matches!(argument, "hello" | "config" | "print-config" | "help" | "help-all" | "version");
        assert_eq!(said, is_setting, "{argument}\n{text}");
    }
}

#[test]
fn a_recording_can_be_inspected() {
    let Ok(Action::Inspect(inspect)) = parse("inspect Cargo.toml --json --secured --switches accepted --max-head 300")
    else {
        panic!("expected a recording")
    };
    let mut out = Vec::new();
    let summary = inspect.run(&mut out).unwrap();
    assert_eq!(summary.violation.map(|violation| violation.kind.name()), Some("NotHttp"));
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("{\"type\":\"violation\",\"request\":1,\"kind\":\"NotHttp\",\"offset\":0,"), "{out}");
    let Ok(Action::Inspect(missing)) = parse("inspect no/such/file") else { panic!("expected a recording") };
    assert!(missing.run(&mut Vec::new()).unwrap_err().to_string().contains("no/such/file"));
    for (line, words) in
        [("inspect", "<FILE>"), ("inspect a --max-head 9", "between 256 and 65535"), ("inspect a b", "unexpected")]
    {
        let message = refused(line);
        assert!(message.contains(words), "{line}: {message}");
    }
    assert!(refused("inspect --help").contains("Exits with 0"));
    // Something of that name can still be served.
    assert!(matches!(serve("./inspect").what, What::Files(dir, _) if dir.as_os_str() == "./inspect"));
}

#[test]
fn completion_scripts() {
    assert!(refused("completions --help").contains("<SHELL>"));
    for shell in Shell::value_variants() {
        let Ok(Action::Completions(found)) = parse(&format!("completions {shell}")) else { panic!("{shell}") };
        let mut script = Vec::new();
        completions(found, &mut script).unwrap();
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("cherrystone") && script.contains("max-connections"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_an_error_and_no_panic() {
    assert!(completions(Shell::Bash, &mut &mut [0_u8; 8][..]).is_err());
}
