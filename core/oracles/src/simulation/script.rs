//! What happens in one run?
//!
//! A [`Script`]: how the server is set up, what each visitor does, and the luck of that day, which decides delays, cuts and whose
//! turn it is. A script is made from a seed, or read from its own text (see `text`).

use super::dice::Dice;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The server.
    pub server: Server,
    /// Its clients.
    pub visitors: Vec<Visitor>,
    /// What is left to chance follows from this.
    pub luck: u64,
}

/// How the server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where requests are handled.
    pub dispatch: Dispatch,
    /// Workers, at least one.
    pub workers: u64,
    /// Requests that may wait for a worker.
    pub queue: u64,
    /// When it is told to stop, in milliseconds.
    pub stops: Option<u64>,
}

/// Where requests are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// On the event loop, as far as that is possible.
    Inline,
    /// On workers.
    Workers,
    /// Each second one here and there.
    Mixed,
    /// On workers, each of which stays with a connection until it is idle, in the manner of a server without an event loop.
    Serve,
}

/// What stands between a client and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Nothing.
    Plain,
    /// A stage of [`records`](crate::records).
    Sealed,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// When it connects, in milliseconds.
    pub joins: u64,
    /// How long octets are on their way, in milliseconds.
    pub latency: u64,
    /// Octets that may be on their way or unread, in either direction.
    pub window: u64,
    /// What its octets go through.
    pub passage: Passage,
    /// What it does, one after the other; then it waits for the end.
    pub steps: Vec<Step>,
}

/// What a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends a request.
    Ask(Ask),
    /// Waits until everything is answered.
    Await,
    /// Does nothing for so many milliseconds.
    Pause(u64),
    /// From now on takes so many octets every 10 ms; with 0 none at all.
    Take(u64),
    /// Sends the first octets of a request and nothing more.
    Stall(Ask, u64),
    /// Sends octets that are no request, and nothing more.
    Garbage,
    /// Ends its side: it sends nothing more.
    HalfClose,
    /// Ends its side without the goodbye that a stage has for that.
    Sever,
    /// Has an octet of a record changed on its way, the next one if there is none now; nothing without a stage.
    Damage,
    /// Resets the connection.
    Reset,
    /// Is never heard of again.
    Vanish,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What the application does with it.
    pub kind: Kind,
    /// How much of it: octets of content mostly, milliseconds for `Sleep`.
    pub amount: u64,
    /// Its content.
    pub body: Body,
    /// How it is asked.
    pub manner: Manner,
}

/// Content of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// None.
    Nothing,
    /// So many octets.
    Length(u64),
    /// So many octets in chunks.
    Chunked(u64),
    /// So many octets once the server wants them.
    Expected(u64),
}

/// How a request is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In HTTP/1.1, to be followed by others.
    Plain,
    /// With `Connection: close`.
    Last,
    /// In HTTP/1.0.
    Old,
    /// With HEAD.
    Head,
}

/// What the application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the application in `gateway` explains them")]
pub enum Kind {
    Plain,
    Echo,
    Ignore,
    Push,
    Drip,
    Later,
    Never,
    Duplex,
    Converse,
    Sleep,
    Fail,
    Midway,
    Panic,
    Hints,
    Goodbye,
    Upgrade,
}

impl Kind {
    /// All of them, with their names.
    pub(super) const ALL: [(&'static str, Self); 16] = [
        ("plain", Self::Plain),
        ("echo", Self::Echo),
        ("ignore", Self::Ignore),
        ("push", Self::Push),
        ("drip", Self::Drip),
        ("later", Self::Later),
        ("never", Self::Never),
        ("duplex", Self::Duplex),
        ("converse", Self::Converse),
        ("sleep", Self::Sleep),
        ("fail", Self::Fail),
        ("midway", Self::Midway),
        ("panic", Self::Panic),
        ("hints", Self::Hints),
        ("goodbye", Self::Goodbye),
        ("upgrade", Self::Upgrade),
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl Script {
    /// The script that belongs to a seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let server = Server {
            dispatch: dice.pick(&[Dispatch::Inline, Dispatch::Workers, Dispatch::Mixed, Dispatch::Serve]),
            workers: dice.within(1, 3),
            queue: dice.pick(&[1, 4, 16]),
            stops: dice.once_in(8).then(|| dice.below(4_000)),
        };
        let visitors = (0..dice.within(1, 6)).map(|_| visitor(&mut dice)).collect();
        Self { server, visitors, luck: dice.throw() }
    }
}

fn visitor(dice: &mut Dice) -> Visitor {
    let mut steps = Vec::new();
    let calm = dice.once_in(2);
    let passage = if dice.once_in(3) { Passage::Sealed } else { Passage::Plain };
    if !calm && dice.once_in(4) {
        let appetite = dice.pick(&[0, 10, 40, 400]);
        steps.push(Step::Take(appetite));
    }
    for _ in 0..dice.within(1, 5) {
        let ask = ask(dice, calm);
        steps.push(Step::Ask(ask));
        if ask.kind == Kind::Upgrade {
            break;
        }
        match dice.below(6) {
            0..3 => steps.push(Step::Await),
            3 => steps.push(Step::Pause(dice.within(1, 300))),
            _ => {}
        }
    }
    if !calm {
        let end = match dice.below(if passage == Passage::Sealed { 10 } else { 8 }) {
            0 | 1 => Step::Stall(ask(dice, false), dice.below(400)),
            2 => Step::Garbage,
            3 => Step::Reset,
            4 => Step::Vanish,
            5 => Step::HalfClose,
            6 => Step::Pause(dice.below(4_000)),
            7 => Step::Take(dice.pick(&[0, 5])),
            _ => Step::Damage,
        };
        // Anywhere: what follows may be cut off by it.
        let at = if dice.once_in(2) { steps.len() } else { dice.below(steps.len() as u64 + 1) as usize };
        steps.insert(at, end);
    } else if dice.once_in(2) {
        steps.push(if dice.once_in(4) { Step::Sever } else { Step::HalfClose });
    }
    Visitor {
        joins: dice.below(3_000),
        latency: dice.within(0, 40),
        window: dice.pick(&[256, 1_024, 4_096, 16_384]),
        passage,
        steps,
    }
}

fn ask(dice: &mut Dice, calm: bool) -> Ask {
    let kind = match dice.below(if calm { 20 } else { 24 }) {
        0..4 => Kind::Plain,
        4..7 => Kind::Echo,
        7 => Kind::Ignore,
        8 | 9 => Kind::Push,
        10 | 11 => Kind::Drip,
        12 | 13 => Kind::Later,
        14 => dice.pick(&[Kind::Duplex, Kind::Converse]),
        15 => Kind::Sleep,
        16 => Kind::Hints,
        17 => Kind::Upgrade,
        18 => Kind::Goodbye,
        19 => Kind::Never,
        20 => Kind::Fail,
        21 => Kind::Midway,
        22 => Kind::Panic,
        _ => Kind::Push,
    };
    let most = if dice.once_in(3) { 40_000 } else { 300 };
    let amount = if kind == Kind::Sleep { dice.below(1_500) } else { dice.below(most) };
    let len = dice.pick(&[0, 1, 30, 700, 3_000]);
    let body = match dice.below(6) {
        _ if kind == Kind::Upgrade => Body::Nothing,
        0 => Body::Length(len),
        1 => Body::Chunked(len),
        2 => Body::Expected(len),
        _ if matches!(kind, Kind::Echo | Kind::Duplex | Kind::Converse) => Body::Length(len),
        _ => Body::Nothing,
    };
    let manner = match dice.below(16) {
        _ if kind == Kind::Upgrade => Manner::Plain,
        0 => Manner::Last,
        1 if matches!(body, Body::Nothing | Body::Length(_)) => Manner::Old,
        2 if body == Body::Nothing => Manner::Head,
        _ => Manner::Plain,
    };
    Ask { kind, amount, body, manner }
}
