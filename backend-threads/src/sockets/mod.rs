//! How does a server get its listeners, and what can it do with a client's socket?
//!
//! A [`BindAddr`] says where to listen, [`bind`] turns it into [`Listener`]s, [`Listener::accept`] gives [`Stream`]s. TCP
//! and UNIX sockets are one type each, so that a backend has one code path.
//!
//! ```
//! use cherrystone_threads::sockets::{BindAddr, Options, bind};
//!
//! let addr: BindAddr = "127.0.0.1:0".parse()?;
//! let listeners = bind(&addr, &Options::default())?;
//! println!("listening on {}", listeners[0].local_addr());     // the real port
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. Every descriptor is close-on-exec and non-blocking from its first moment; a wait is a `poll(2)` with a deadline, so a
//!    descriptor of any number works.
//! 2. No call raises `SIGPIPE` except [`Stream::send_file`], which says so.
//! 3. Whatever exists at a socket's path, only a dead UNIX socket is replaced, and only a file that is ours is removed.
//! 4. What others own is left as it was: an inherited listener is neither shut down nor unlinked.

mod accept;
mod addr;
mod credentials;
mod error;
mod inherit;
mod listener;
mod networks;
mod options;
mod stream;
mod tcp;
mod unix;
mod wait;

pub use accept::AcceptError;
pub use addr::{BindAddr, BindAddrError};
pub use credentials::PeerCredentials;
pub use error::BindError;
pub use inherit::{Inherited, inherited};
pub use listener::{Listener, LocalAddr, bind, bind_beside};
pub use networks::{Networks, NetworksError};
pub use options::{Options, UnixMode, UnixModeError};
pub use stream::{PeerAddr, PeerState, Stream};
pub use wait::{Interest, wait};
