//! What is the shortest script that still fails?
//!
//! [`shrink`] leaves out and simplifies as long as the failure stays, whatever its text.

use super::script::{Ask, Body, Dispatch, Manner, Passage, Script, Step};

/// Scripts that are tried at most.
const TRIES: usize = 1_500;

/// A script that `fails` too, and that cannot be made simpler in one step.
pub(super) fn shrink(script: Script, mut fails: impl FnMut(&Script) -> bool) -> Script {
    let (mut best, mut tries) = (script, 0);
    'again: loop {
        for simpler in simpler(&best) {
            // Chance falls differently in a shorter script: it gets a few throws.
            for luck in [best.luck, 0, 1, 2] {
                tries += 1;
                if tries > TRIES {
                    return best;
                }
                let candidate = Script { luck, ..simpler.clone() };
                if fails(&candidate) {
                    best = candidate;
                    continue 'again;
                }
            }
        }
        return best;
    }
}

/// All that is one step simpler, the greatest steps first.
fn simpler(script: &Script) -> Vec<Script> {
    let mut found = Vec::new();
    let mut keep = |change: &dyn Fn(&mut Script)| {
        let mut changed = script.clone();
        change(&mut changed);
        if changed != *script {
            found.push(changed);
        }
    };
    for at in 0..script.visitors.len() {
        keep(&|script| drop(script.visitors.remove(at)));
    }
    keep(&|script| script.server.stops = None);
    for (at, visitor) in script.visitors.iter().enumerate() {
        for step in 0..visitor.steps.len() {
            keep(&|script| {
                script.visitors[at].steps.remove(step);
            });
        }
        keep(&|script| script.visitors[at].joins = 0);
        keep(&|script| script.visitors[at].latency = 0);
        keep(&|script| script.visitors[at].window = 16_384);
        keep(&|script| script.visitors[at].passage = Passage::Plain);
        for step in 0..visitor.steps.len() {
            for change in CHANGES {
                keep(&|script| change(&mut script.visitors[at].steps[step]));
            }
        }
    }
    for dispatch in [Dispatch::Inline, Dispatch::Workers] {
        if script.server.dispatch == Dispatch::Mixed {
            keep(&|script| script.server.dispatch = dispatch);
        }
    }
    keep(&|script| script.server.workers = 1);
    keep(&|script| script.server.queue = 16);
    found
}

const CHANGES: [fn(&mut Step); 5] = [
    |step| with_ask(step, |ask| ask.body = Body::Nothing),
    |step| with_ask(step, |ask| ask.manner = Manner::Plain),
    |step| with_ask(step, |ask| ask.amount = 0),
    |step| with_ask(step, |ask| ask.amount /= 2),
    |step| {
        if let Step::Pause(number) | Step::Stall(_, number) = step {
            *number /= 2;
        }
    },
];

fn with_ask(step: &mut Step, change: impl FnOnce(&mut Ask)) {
    if let Step::Ask(ask) | Step::Stall(ask, _) = step {
        change(ask);
    }
}
