//! Are the states in `docs/architecture.md` those of the code, and do they lead where they are said to lead?
//!
//! Connections are driven in every way that comes to hand, and each step from state to state is noted. What is drawn and what happens has
//! to be the same.

use std::collections::{BTreeMap, BTreeSet};

use cherrystone::{Config, Connection, Env, Event, Instant, Interim, Pace, RecvBuf, SendBuf, Size, Status, Violation};

/// From a state to a state, for each of the three things that a connection keeps track of.
type Steps = BTreeMap<&'static str, BTreeSet<(String, String)>>;

const TRACKS: [(&str, &str); 3] = [("receive", "receiving"), ("reply", "answering"), ("closing", "ending")];

/// The state in a track, as the connection shows itself.
fn state(shown: &str, field: &str) -> String {
    let from = shown.find(&format!("{field}: ")).unwrap() + field.len() + 2;
    shown[from..].chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

const INPUT: [&[u8]; 16] = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
    b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n",
    b"abc",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n",
    b"\r\n",
    b"\0",
];

/// Plays one connection, and notes its steps.
fn play(dice: &mut Dice, steps: &mut Steps) {
    let mut config = Config::default();
    config.limits.drain = 8;
    config.timeouts.body = Pace { grace: std::time::Duration::from_secs(5), rate: 512 };
    let mut now = 0;
    let mut env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
    let mut before: Vec<String> = TRACKS.iter().map(|(field, _)| state(&format!("{conn:?}"), field)).collect();
    let mut violation: Option<Violation> = None;
    for _ in 0..40 {
        // Short trailer sections would be rare otherwise.
        if before[0] == "Trailers" && dice.roll(3) == 0 {
            rx.push(b"\r\n");
        }
        match dice.roll(16) {
            0..=3 => rx.push(INPUT[dice.roll(INPUT.len())]),
            4 if dice.roll(6) == 0 => rx.close(),
            5 if dice.roll(4) == 0 => {
                now += [1, 40, 200][dice.roll(3)] * 1_000_000_000;
                env.now = Instant::from_nanos(now);
            }
            6 | 7 => {
                let size = [Size::Empty, Size::Exact(3), Size::Unknown][dice.roll(3)];
                let status = [Status::OK, Status::NO_CONTENT][dice.roll(2)];
                let _ = conn.respond(&env, status, &[], size, &mut tx);
            }
            8 => {
                let _ = conn.write(b"abc", &mut tx);
            }
            9 => {
                let _ = conn.finish(&[], &mut tx);
            }
            10 => match dice.roll(12) {
                0 => conn.abort(&env, &mut tx),
                1 => conn.retire(),
                3 => conn.end_upgrade(),
                4 => conn.overloaded(&env, &mut tx),
                5 => {
                    let _ = conn.inform(Interim::EARLY_HINTS, &[], &mut tx);
                }
                _ => {
                    let _ = conn.proceed(&mut tx);
                }
            },
            11 => {
                let _ = conn.upgrade(&env, &[("Upgrade", b"other")], &mut tx);
            }
            12 => {
                let n = tx.len();
                tx.advance(n);
                let _ = conn.sent(&env, n, 0);
            }
            13 if violation.is_some() => conn.refuse(&env, violation.take().unwrap(), &mut tx),
            _ => match conn.poll(&env, &mut rx) {
                Err(error) => violation = Some(error),
                Ok(Event::Upgraded) => rx.consume(usize::MAX),
                Ok(_) => {}
            },
        }
        let shown = format!("{conn:?}");
        for (at, (field, track)) in TRACKS.iter().enumerate() {
            let after = state(&shown, field);
            if after != before[at] {
                let from = std::mem::replace(&mut before[at], after.clone());
                steps.entry(track).or_default().insert((from, after));
            }
        }
    }
}

/// The steps that the tables of the page say there are.
fn written() -> Steps {
    let page = include_str!("../../docs/architecture.md");
    let mut steps = Steps::new();
    for (_, track) in TRACKS {
        let table = page
            .split(&format!("| {track} | leads to |\n| --- | --- |\n"))
            .nth(1)
            .unwrap_or_else(|| panic!("no table {track}"));
        for row in table.lines().take_while(|line| line.starts_with('|')) {
            let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
            for to in &names[1..] {
                steps.entry(track).or_default().insert((names[0].to_owned(), (*to).to_owned()));
            }
        }
    }
    steps
}

/// Whether this many steps at most lead from a state to a state.
fn leads(drawn: &BTreeSet<(String, String)>, from: &str, to: &str, steps: usize) -> bool {
    let next = drawn.iter().filter(|(own, _)| own == from).map(|(_, next)| next);
    steps > 0 && next.into_iter().any(|next| next == to || leads(drawn, next, to, steps - 1))
}

#[test]
fn the_states_are_those_that_are_drawn() {
    let mut steps = Steps::new();
    let mut dice = Dice(1);
    for _ in 0..4_000 {
        play(&mut dice, &mut steps);
    }
    let written = written();
    for (_, track) in TRACKS {
        let drawn = &written[track];
        let seen = &steps[track];
        // One call may take several steps, of which only the first and the last state can be seen.
        let unknown: Vec<_> = seen.iter().filter(|(from, to)| !leads(drawn, from, to, 3)).collect();
        let never: Vec<_> = drawn.difference(seen).collect();
        assert!(unknown.is_empty() && never.is_empty(), "{track}: not in the page: {unknown:?}; never seen: {never:?}");
    }
}
