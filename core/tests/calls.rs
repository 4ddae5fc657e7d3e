//! Any calls in any order at any time: no panic, a misuse changes nothing, and what was said reads back as it was meant.

use arbitrary::{Arbitrary, Unstructured};
use cherrystone_oracles::calls::{self, Script};
use cherrystone_oracles::reply::{self, Announced, Asked, Call, Said};
use proptest::prelude::*;

/// Field lines, good and bad.
fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let names = [
        "X",
        "Upgrade",
        "Date",
        "Server",
        "Sum",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "",
        "A B",
        "A:",
        "A\r\nB",
        "Content-Type",
        "Trailer",
    ];
    let name = prop_oneof![9 => proptest::sample::select(names.to_vec()).prop_map(String::from), 1 => any::<String>()];
    let good = "[ -~\t\u{80}-\u{ff}]{0,12}".prop_map(String::into_bytes);
    let value = prop_oneof![8 => good, 1 => proptest::collection::vec(any::<u8>(), 0..12)];
    proptest::collection::vec((name, value), 0..4)
}

fn said() -> impl Strategy<Value = Said> {
    let request = proptest::sample::select(vec![
        Asked::Get,
        Asked::Head,
        Asked::Http10,
        Asked::KeptHttp10,
        Asked::Upgrade,
        Asked::Connect,
    ]);
    let call = proptest::sample::select(vec![Call::Respond, Call::Inform, Call::Finish, Call::Upgrade]);
    let content = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4);
    let announced = proptest::sample::select(vec![Announced::Exactly, Announced::NotAtAll]);
    let status = prop_oneof![Just(0), Just(4), Just(5), Just(104), 0..400_u16];
    (request, call, fields(), status, content, announced).prop_map(
        |(request, call, fields, status, content, announced)| Said {
            request,
            call,
            fields,
            status,
            content,
            announced,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_order(dice in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(script) = Script::arbitrary(&mut Unstructured::new(&dice)) {
            calls::check(&script);
        }
    }

    #[test]
    fn no_field_injects(said in said()) {
        reply::check(&said);
    }
}
