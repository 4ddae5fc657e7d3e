//! What is accepted, and what it is taken for, agrees with other readings of the grammar.

use cherrystone_oracles::traffic::Traffic;
use cherrystone_oracles::{accepts, chunked, rules, target, wire};
use proptest::prelude::*;

/// Chunked content: mostly well formed, made of the pieces that matter.
fn chunked_content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => (1..20_usize).prop_map(|n| [format!("{n:x}\r\n").into_bytes(), vec![b'x'; n], b"\r\n".to_vec()].concat()),
        1 => (1..20_usize).prop_map(|n| [format!("{n:x};a=\"b\"\r\n").into_bytes(), vec![b'x'; n], b"\r\n".to_vec()].concat()),
        1 => proptest::sample::select(vec!["0\r\n", "0;z\r\n", "A: b\r\n", "\r\n", "0\r\n\r\n", "00000000000000000001\r\nx\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(proptest::sample::select(b"0159aAfF;=\" \t\r\n\\:x".to_vec()), 1..6),
    ];
    (proptest::collection::vec(piece, 0..8), any::<bool>()).prop_map(|(pieces, ends)| {
        let mut content = pieces.concat();
        if ends {
            content.extend_from_slice(b"0\r\n\r\n");
        }
        content
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn chunks(content in chunked_content(), step in 1..64_usize, rules in 0..3_u8) {
        chunked::check(&content, step, &rules::config(rules));
    }

    #[test]
    fn targets(
        method in proptest::sample::select(vec!["GET", "OPTIONS", "CONNECT", "POST"]),
        target in prop_oneof![
            "(http|HTTPS|ftp)://[a-z0-9.:@%\\[\\]-]{0,12}[/?]?[a-z0-9/?%#]{0,8}",
            "[/*a-z0-9?%#:\\[\\].,{}^|`\"\\\\é-]{1,16}",
            "\\[[0-9a-fv.:%]{1,10}\\](:[0-9]{0,6})?",
        ],
    ) {
        target::check(method, target.as_bytes());
    }

    #[test]
    fn heads(dice in proptest::collection::vec(any::<u8>(), 16..200)) {
        accepts::check(&Traffic::from_dice(&dice).octets, &rules::config(0));
    }
}

#[test]
fn samples() {
    for sample in wire::SAMPLES {
        accepts::check(sample.octets.as_bytes(), &rules::config(0));
        if let Some((_, content)) = sample.octets.split_once("Transfer-Encoding: chunked\r\n\r\n") {
            for step in 1..=content.len() {
                chunked::check(content.as_bytes(), step, &rules::config(1));
            }
        }
    }
}
