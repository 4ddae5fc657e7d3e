//! In construction.
/// Where the parts of a head are.
#[derive(Debug, Default)]
pub(crate) struct Index;
