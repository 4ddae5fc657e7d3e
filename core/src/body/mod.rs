//! How is content taken apart?
//!
//! Content of known length needs a counter, which the connection keeps. Chunked content (RFC 9112, 7.1) is decoded in place
//! by [`chunked`]: the data of each chunk is handed out as a slice of the receive buffer.

pub(crate) mod chunked;
