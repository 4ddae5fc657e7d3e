//! May the client keep what it has?
//!
//! [`Validators`] are what tells two states of a file apart; [`evaluate`] holds the conditions of a request against
//! them, in the order of RFC 9110, 13.2.2.
//!
//! Invariants:
//! 1. An entity tag is strong only when the file has been left alone for longer than the clock ticks of common file
//!    systems; before that, a second change could hide behind the same times.
//! 2. `Last-Modified` is never later than now (RFC 9110, 8.8.2.1), whatever the file system says.
//! 3. Conditions that cannot be read never let a stale copy pass: they fail `If-Match` and `If-Range`, and count as
//!    absent elsewhere.

use std::borrow::Cow;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// FAT counts in steps of two seconds; everything else that is common is finer.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What identifies one state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validators {
    opaque: String,
    settled: bool,
    modified: SystemTime,
}

impl Validators {
    /// Validators of an open file as it is now.
    ///
    /// The time of the last status change is part of the tag: it tells files apart that were copied with the times of
    /// others, or that a build gave one fixed time.
    pub(super) fn new(metadata: &Metadata, now: SystemTime) -> Self {
        let modified = timestamp(metadata.mtime(), metadata.mtime_nsec());
        let changed = timestamp(metadata.ctime(), metadata.ctime_nsec());
        let latest = modified.max(changed);
        Self {
            opaque: format!("\"{:x}-{:x}-{:x}\"", metadata.len(), since_epoch(modified), since_epoch(changed)),
            settled: now.duration_since(latest).is_ok_and(|age| age > SETTLED_AFTER),
            modified: whole_seconds(modified.min(now)),
        }
    }

    /// The value of the `ETag` field.
    pub(super) fn tag(&self) -> String {
        format!("{}{}", if self.settled { "" } else { "W/" }, self.opaque)
    }

    /// The value of the `Last-Modified` field.
    pub(super) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }

    fn matches_strongly(&self, tag: &Tag<'_>) -> bool {
        self.settled && !tag.weak && tag.opaque == self.opaque.as_bytes()
    }

    fn matches_weakly(&self, tag: &Tag<'_>) -> bool {
        tag.opaque == self.opaque.as_bytes()
    }
}

/// What the conditions of a GET or HEAD request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer as if there were no conditions.
    Proceed,
    /// 304: the client's copy is current.
    NotModified,
    /// 412: the client wants another state than the current one.
    Failed,
}

/// Looks a request field up by its name, lines of one name joined by commas.
pub(super) type Lookup<'l, 'v> = &'l dyn Fn(&str) -> Option<Cow<'v, [u8]>>;

/// Steps 1 to 4 of RFC 9110, 13.2.2. Content without validators exists, and that is all that is known about it.
pub(super) fn evaluate(field: Lookup<'_, '_>, current: Option<&Validators>) -> Verdict {
    let modified = current.map(|validators| validators.modified);
    let date = |name| field(name).and_then(|value| parse_date(&value)).zip(modified);

    if let Some(value) = field("If-Match") {
        if !any_tag(&value, |tag| current.is_some_and(|validators| validators.matches_strongly(tag))) {
            return Verdict::Failed;
        }
    } else if date("If-Unmodified-Since").is_some_and(|(limit, modified)| modified > limit) {
        return Verdict::Failed;
    }

    if let Some(value) = field("If-None-Match") {
        if any_tag(&value, |tag| current.is_some_and(|validators| validators.matches_weakly(tag))) {
            return Verdict::NotModified;
        }
    } else if date("If-Modified-Since").is_some_and(|(limit, modified)| modified <= limit) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Step 5: whether a `Range` field may be honoured. Without an `If-Range` field it may.
pub(super) fn allows_range(field: Lookup<'_, '_>, current: &Validators) -> bool {
    let Some(value) = field("If-Range") else { return true };
    match Tags(&value).next() {
        Some(tag) if tag.only => current.matches_strongly(&tag),
        Some(_) => false,
        // The modification date is as strong as the tag, and has to be the very same (RFC 9110, 8.8.2.2 and 13.1.5).
        None => current.settled && parse_date(&value) == Some(current.modified),
    }
}

/// Whether the list is `*`, or one of its tags passes.
fn any_tag(value: &[u8], passes: impl Fn(&Tag<'_>) -> bool) -> bool {
    value.trim_ascii() == b"*" || Tags(value).any(|tag| passes(&tag))
}

struct Tag<'v> {
    weak: bool,
    /// With its quotes.
    opaque: &'v [u8],
    /// Nothing follows it.
    only: bool,
}

/// The entity tags of a list; ends at the first thing that is none.
struct Tags<'v>(&'v [u8]);

impl<'v> Iterator for Tags<'v> {
    type Item = Tag<'v>;

    fn next(&mut self) -> Option<Tag<'v>> {
        let start = self.0.iter().position(|b| !matches!(b, b' ' | b'\t' | b','))?;
        let text = &self.0[start..];
        self.0 = b"";
        let (weak, text) = text.strip_prefix(b"W/").map_or((false, text), |text| (true, text));
        let inner = text.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&b| !matches!(b, 0x21 | 0x23..=0x7e | 0x80..))?;
        let rest = inner[end..].strip_prefix(b"\"")?.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
        self.0 = rest;
        Some(Tag { weak, opaque: &text[..end + 2], only: rest.is_empty() })
    }
}

fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?.trim_ascii()).ok()
}

/// Times before 1970 cannot be written as an HTTP date; they count as the first second of it.
fn timestamp(seconds: i64, nanoseconds: i64) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or(0).min(999_999_999);
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds)).unwrap_or(UNIX_EPOCH)
}

fn since_epoch(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos())
}

/// Within what an HTTP date can say: four digits of year.
fn whole_seconds(time: SystemTime) -> SystemTime {
    const END_OF_9999: u64 = 253_402_300_799;
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    UNIX_EPOCH + Duration::from_secs(seconds.min(END_OF_9999))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const WHEN: u64 = 784_111_777;
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn settled() -> Validators {
        Validators { opaque: "\"a\"".into(), settled: true, modified: UNIX_EPOCH + Duration::from_secs(WHEN) }
    }

    fn fresh() -> Validators {
        Validators { settled: false, ..settled() }
    }

    fn with<R>(fields: &[(&str, &str)], judge: impl FnOnce(Lookup<'_, '_>) -> R) -> R {
        judge(&|name| {
            fields.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Owned(value.as_bytes().to_vec()))
        })
    }

    #[test]
    fn each_condition_alone() {
        use Verdict::{Failed, NotModified, Proceed};
        for (name, value, verdict) in [
            ("If-Match", "*", Proceed),
            ("If-Match", "\"a\"", Proceed),
            ("If-Match", "\"b\", \"a\"", Proceed),
            ("If-Match", "W/\"a\"", Failed),
            ("If-Match", "\"b\"", Failed),
            ("If-Match", "", Failed),
            ("If-Match", "a", Failed),
            ("If-Match", "*, \"b\"", Failed),
            ("If-Unmodified-Since", SAME, Proceed),
            ("If-Unmodified-Since", AFTER, Proceed),
            ("If-Unmodified-Since", BEFORE, Failed),
            ("If-Unmodified-Since", "yesterday", Proceed),
            ("If-None-Match", "*", NotModified),
            ("If-None-Match", "\"a\"", NotModified),
            ("If-None-Match", "W/\"a\"", NotModified),
            ("If-None-Match", "\"b\" , W/\"c\",, \"a\"", NotModified),
            ("If-None-Match", "\"b\"", Proceed),
            ("If-None-Match", "", Proceed),
            ("If-None-Match", "\"a", Proceed),
            ("If-None-Match", "\"b\" \"a\"", Proceed),
            ("If-None-Match", "w/\"a\"", Proceed),
            ("If-Modified-Since", SAME, NotModified),
            ("If-Modified-Since", AFTER, NotModified),
            ("If-Modified-Since", BEFORE, Proceed),
            ("If-Modified-Since", "0", Proceed),
            ("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            ("If-Modified-Since", "Sun Nov  6 08:49:37 1994", NotModified),
        ] {
            let found = with(&[(name, value)], |field| evaluate(field, Some(&settled())));
            assert_eq!(found, verdict, "{name}: {value}");
        }
    }

    #[test]
    fn order_and_precedence() {
        use Verdict::{Failed, NotModified, Proceed};
        let cases: [(&[(&str, &str)], Verdict); 6] = [
            // If-Match hides If-Unmodified-Since.
            (&[("If-Match", "\"a\""), ("If-Unmodified-Since", BEFORE)], Proceed),
            (&[("If-Match", "\"b\""), ("If-None-Match", "\"a\"")], Failed),
            (&[("If-Match", "\"a\""), ("If-None-Match", "\"a\"")], NotModified),
            (&[("If-Unmodified-Since", BEFORE), ("If-None-Match", "\"a\"")], Failed),
            // If-None-Match hides If-Modified-Since.
            (&[("If-None-Match", "\"b\""), ("If-Modified-Since", SAME)], Proceed),
            (&[("If-None-Match", "\"a\""), ("If-Modified-Since", BEFORE)], NotModified),
        ];
        for (fields, verdict) in cases {
            assert_eq!(with(fields, |field| evaluate(field, Some(&settled()))), verdict, "{fields:?}");
        }
    }

    #[test]
    fn a_fresh_file_has_no_strong_validator() {
        assert_eq!(with(&[("If-Match", "\"a\"")], |f| evaluate(f, Some(&fresh()))), Verdict::Failed);
        assert_eq!(with(&[("If-None-Match", "W/\"a\"")], |f| evaluate(f, Some(&fresh()))), Verdict::NotModified);
        assert_eq!((fresh().tag(), settled().tag()), ("W/\"a\"".into(), "\"a\"".into()));
    }

    #[test]
    fn content_without_validators() {
        for (name, value, verdict) in [
            ("If-Match", "*", Verdict::Proceed),
            ("If-Match", "\"a\"", Verdict::Failed),
            ("If-None-Match", "*", Verdict::NotModified),
            ("If-None-Match", "\"a\"", Verdict::Proceed),
            ("If-Unmodified-Since", BEFORE, Verdict::Proceed),
            ("If-Modified-Since", AFTER, Verdict::Proceed),
        ] {
            assert_eq!(with(&[(name, value)], |field| evaluate(field, None)), verdict, "{name}: {value}");
        }
    }

    #[test]
    fn ranges_need_the_same_state_for_certain() {
        for (value, strong, allowed) in [
            ("\"a\"", settled(), true),
            ("W/\"a\"", settled(), false),
            ("\"b\"", settled(), false),
            ("\"b\", \"a\"", settled(), false),
            ("\"a\", \"b\"", settled(), false),
            (SAME, settled(), true),
            (AFTER, settled(), false),
            (BEFORE, settled(), false),
            ("nonsense", settled(), false),
            ("*", settled(), false),
            ("", settled(), false),
            ("\"a\"", fresh(), false),
            (SAME, fresh(), false),
        ] {
            assert_eq!(with(&[("If-Range", value)], |field| allows_range(field, &strong)), allowed, "{value}");
        }
        assert!(with(&[], |field| allows_range(field, &fresh())));
    }

    #[test]
    fn times_of_files() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let file = path.as_file();
        let now = SystemTime::now();
        let soon = Validators::new(&file.metadata().unwrap(), now);
        let later = Validators::new(&file.metadata().unwrap(), now + Duration::from_secs(10));
        assert!(!soon.settled && later.settled);
        assert_eq!(soon.opaque, later.opaque);

        // Same length and same modification time, yet another state.
        file.set_modified(UNIX_EPOCH + Duration::from_secs(WHEN)).unwrap();
        let copied = Validators::new(&file.metadata().unwrap(), now);
        assert_eq!(copied.last_modified(), SAME);
        std::thread::sleep(Duration::from_millis(20));
        file.set_modified(UNIX_EPOCH + Duration::from_secs(WHEN)).unwrap();
        assert_ne!(Validators::new(&file.metadata().unwrap(), now).opaque, copied.opaque);

        // From the future, and from before the epoch.
        file.set_modified(now + Duration::from_secs(1_000_000)).unwrap();
        let future = Validators::new(&file.metadata().unwrap(), now);
        assert!(future.modified <= now && !future.settled);
        file.set_modified(UNIX_EPOCH - Duration::from_secs(1_000_000)).unwrap();
        let past = Validators::new(&file.metadata().unwrap(), now);
        assert_eq!(past.last_modified(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn dates_stay_within_four_digits() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(httpdate::fmt_http_date(whole_seconds(far)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
