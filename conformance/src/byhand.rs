//! How does one repeat a case by hand, with a shell and nothing else?
//!
//! 1. The command sends exactly the octets of the case, with its pauses; what waits for an answer waits a second.
//! 2. A case too long for a command line is taken from `explain --raw`.

use std::time::Duration;

use crate::bytes::shell_quoted;
use crate::case::{Action, Addressing, Case};
use crate::target::Target;

const LONGEST_COMMAND: usize = 4000;
/// Time to look at the answers before `nc` ends the connection with its input.
const LOOK: &str = "sleep 2";

/// A command line for a POSIX shell.
pub fn command(case: &Case, addressing: &Addressing, target: &Target) -> String {
    let mut steps = Vec::new();
    let mut client = target.shell_client();
    let mut look = Some(LOOK);
    for action in case.script(addressing) {
        match action {
            Action::Write(data) => steps.push(format!("printf {}", shell_quoted(&data))),
            Action::Trickle(data, every) => {
                let every = every.max(Duration::from_millis(1));
                for octet in data {
                    steps.push(format!("printf {}", shell_quoted(&[octet])));
                    steps.push(sleep(every));
                }
            }
            Action::Pause(time) => steps.push(sleep(time)),
            Action::Await(_) => steps.push(sleep(Duration::from_secs(1))),
            Action::HalfClose => {
                client = client.replacen("nc ", "nc -N ", 1);
                look = None;
            }
            // The shell has no way to reset; ending at once comes next.
            Action::Reset => look = None,
        }
    }
    steps.extend(look.map(str::to_owned));
    let line = if steps.len() == 1 {
        format!("{} | {client}", steps[0])
    } else {
        format!("({}) | {client}", steps.join("; "))
    };
    if line.len() <= LONGEST_COMMAND {
        return line;
    }
    let look = look.map_or_else(String::new, |look| format!("; {look}"));
    let maps: String = case
        .fixtures
        .iter()
        .filter(|f| f.default_route().is_some_and(|route| route != addressing.route(**f)))
        .map(|f| format!(" --map {f}={}", addressing.route(*f)))
        .collect();
    format!("(cherrystone-conformance explain {} --raw --target {target}{maps}{look}) | {client}", case.id)
}

fn sleep(time: Duration) -> String {
    format!("sleep {}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_hand(send: &str) -> String {
        let text = format!(
            "[[case]]\nname = \"x\"\nrequires = [\"r\"]\nlevel = \"must\"\nwhy = \"w\"\nsend = {send}\nanswers = []"
        );
        let case = Case::read_file("g", &text).unwrap().remove(0);
        let target = Target::parse("h:80").unwrap();
        let mut addressing = Addressing::new(target.authority());
        addressing.map(crate::case::Fixture::Root, "/r").unwrap();
        command(&case, &addressing, &target)
    }

    #[test]
    fn steps_become_commands() {
        assert_eq!(by_hand("['a']"), "(printf 'a'; sleep 2) | nc h 80");
        assert_eq!(by_hand("['a', {end = 'write'}]"), "printf 'a' | nc -N h 80");
        assert_eq!(
            by_hand("['a', {pause = 250}, {hex = 'ff'}]"),
            "(printf 'a'; sleep 0.25; printf '\\377'; sleep 2) | nc h 80"
        );
        assert_eq!(
            by_hand("[{trickle = 'ab', every = 5}]"),
            "(printf 'a'; sleep 0.005; printf 'b'; sleep 0.005; sleep 2) | nc h 80"
        );
        assert_eq!(
            by_hand("[{repeat = 'a', times = 9999}]"),
            "(cherrystone-conformance explain g/x --raw --target http://h:80 --map root=/r; sleep 2) | nc h 80"
        );
    }
}
