//! Does the verdict hold however the octets of a case are cut?
//!
//! [`judge_ways`] plays a case in several deliveries, each over a connection of its own. The outcome is that of the first delivery that
//! fails, and says which one that was; else that of the first.

use std::io;
use std::time::Duration;

use super::{Delivery, Outcome, Setting, Verdict, judge};
use crate::case::{Action, Case};
use crate::channel::Connect;

/// In how many ways a case is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ways {
    /// As the setting has it.
    #[default]
    One,
    /// Whole and octet by octet.
    Octets,
    /// Those, at every two-way cut, and with a pause at each cut.
    Every,
}

/// Octets up to which a case is cut everywhere; longer ones are cut at some places.
const CUT_EVERYWHERE: usize = 400;
const SOME_CUTS: usize = 40;
const PAUSE: Duration = Duration::from_millis(30);

/// Plays a case in these ways.
///
/// # Errors
///
/// When a connection does not come about.
pub fn judge_ways(case: &Case, setting: &Setting, ways: Ways, connect: &dyn Connect) -> io::Result<Outcome> {
    let first = judge(case, setting, connect)?;
    if ways == Ways::One || !holds(&first) {
        return Ok(first);
    }
    for delivery in deliveries(case, setting, ways) {
        let setting = Setting { delivery, ..setting.clone() };
        let mut outcome = judge(case, &setting, connect)?;
        if let Verdict::Fail(reason) = &mut outcome.verdict {
            *reason = format!("delivered as {delivery:?}: {reason}");
            return Ok(outcome);
        }
    }
    Ok(first)
}

fn holds(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Pass | Verdict::Allowed(_))
}

fn deliveries(case: &Case, setting: &Setting, ways: Ways) -> Vec<Delivery> {
    let script = case.script(&setting.addressing);
    let octets: usize = script.iter().filter_map(super::delivery::written).map(<[u8]>::len).sum();
    let mut deliveries = Vec::new();
    // A case with pauses of its own would overrun the time for its head, octet by octet.
    if !script.iter().any(|action| matches!(action, Action::Pause(_) | Action::Trickle(..))) {
        deliveries.push(Delivery::Octets);
    }
    if ways == Ways::Every {
        let step = if octets <= CUT_EVERYWHERE { 1 } else { octets / SOME_CUTS };
        for offset in (1..octets).step_by(step) {
            deliveries.extend([Duration::ZERO, PAUSE].map(|pause| Delivery::CutAt { offset, pause }));
        }
    }
    deliveries
}
