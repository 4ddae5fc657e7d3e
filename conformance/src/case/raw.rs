//! What does a case file look like, before it is checked?
//!
//! These types mirror the TOML, key by key; unknown keys are refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Fixture;
use crate::requirement::Level;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) case: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    pub(super) name: String,
    pub(super) requires: Vec<String>,
    pub(super) level: Level,
    pub(super) why: String,
    #[serde(default)]
    pub(super) fixture: OneOrMany<Fixture>,
    pub(super) send: Vec<RawStep>,
    pub(super) answers: Vec<RawAnswer>,
    #[serde(default)]
    pub(super) end: RawEnd,
    pub(super) tunnel: Option<RawTunnel>,
    #[serde(default)]
    pub(super) slow: bool,
    pub(super) split: Option<RawSplit>,
    pub(super) only: Option<RawOnly>,
    pub(super) begins: Option<RawProtocol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawProtocol {
    Http2,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawSplit {
    Octets,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawOnly {
    Clear,
    Tls,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(some: OneOrMany<T>) -> Self {
        match some {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawEnd {
    #[default]
    Any,
    Close,
    Open,
    ResetFree,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTunnel {
    pub(super) send: String,
    pub(super) expect: String,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a step is text, or a table of hex, pause, repeat with times, await, end, or trickle with every"
)]
pub(super) enum RawStep {
    Text(String),
    Hex { hex: String },
    Pause { pause: u64 },
    Repeat { repeat: String, times: u32 },
    Await { r#await: RawAwaited },
    End { end: RawHow },
    Trickle { trickle: String, every: u64 },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawAwaited {
    Interim,
    Answer,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawHow {
    Write,
    Reset,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum RawStatus {
    Code(u16),
    Word(String),
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum RawBody {
    Text(String),
    Repeat { repeat: String, times: u32 },
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAnswer {
    pub(super) status: OneOrMany<RawStatus>,
    #[serde(default)]
    pub(super) allowed: OneOrMany<RawStatus>,
    pub(super) to: Option<String>,
    pub(super) body: Option<RawBody>,
    pub(super) body_hex: Option<String>,
    #[serde(default)]
    pub(super) contains: OneOrMany<String>,
    #[serde(default)]
    pub(super) lacks: OneOrMany<String>,
    pub(super) length: Option<usize>,
    #[serde(default)]
    pub(super) field: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) no_field: OneOrMany<String>,
    pub(super) interim: Option<Vec<u16>>,
    pub(super) times: Option<u32>,
    pub(super) version: Option<String>,
}
