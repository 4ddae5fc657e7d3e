//! Does a server speak HTTP/1.1 as RFC 9110 and RFC 9112 say?
//!
//! This suite plays cases, readable text files of bytes to send and answers to expect, against any server, and judges
//! each: *pass*, *allowed* (the RFC leaves it open, and this is what the server chose), *fail*, or *untested* with the
//! reason. The binary `cherrystone-conformance` does it from the command line.
//!
//! - [`case`] and [`requirement`]: what is asked for; [`catalog`]: all of it.
//! - [`channel`]: how the server is reached. Implement [`channel::Connect`] to judge a runtime of your own.
//! - [`answer`]: the strict reader of answers. [`judge`]: one case, one verdict.
//! - [`control`]: does the channel work, and what does the server offer? [`suite`]: all cases, several at a time.
//! - [`testbed`]: the gateway that the cases presuppose.
//! - [`report`]: the results as HTML, JUnit XML, JSON and Markdown. [`matrix`]: requirements by cases.

pub mod answer;
pub mod byhand;
pub mod bytes;
pub mod case;
pub mod catalog;
pub mod channel;
pub mod control;
pub mod glob;
pub mod in_process;
pub mod judge;
pub mod matrix;
pub mod report;
pub mod requirement;
pub mod suite;
pub mod target;
pub mod testbed;
