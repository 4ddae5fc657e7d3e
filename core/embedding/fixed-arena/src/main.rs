//! What does the library do on a host? It serves the client that standard input and output are connected to, as from `inetd`.
//!
//! ```text
//! printf 'GET /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' | cargo run --release
//! ```
//!
//! There is no std in this program: the C library starts it, and system calls come from rustix.
#![cfg_attr(target_os = "linux", no_std, no_main)]

#[cfg(target_os = "linux")]
mod host {
    use core::time::Duration;

    use cherrystone_core::Instant;
    use fixed_arena::{Gone, Received, Wire, rules, serve};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fd::BorrowedFd;
    use rustix::io::{Errno, read, write};
    use rustix::time::{ClockId, clock_gettime};

    #[link(name = "c")]
    #[allow(unsafe_code, reason = "a declaration; the function itself is safe")]
    unsafe extern "C" {
        safe fn abort() -> !;
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        abort()
    }

    // The compiled `alloc` refers to what unwinds, which nothing does here: a panic aborts.
    #[unsafe(no_mangle)]
    #[allow(unsafe_code, reason = "a name that the linker asks for")]
    extern "C" fn rust_eh_personality() -> ! {
        abort()
    }

    #[unsafe(no_mangle)]
    #[allow(unsafe_code, reason = "a name that the linker asks for")]
    extern "C" fn _Unwind_Resume() -> ! {
        abort()
    }

    #[unsafe(no_mangle)]
    #[allow(unsafe_code, reason = "the name by which the C library calls it")]
    extern "C" fn main() -> i32 {
        match serve(&mut Standard, &rules()) {
            Ok(()) => 0,
            Err(Gone) => 1,
        }
    }

    #[allow(unsafe_code, reason = "nobody closes it, here or in the core")]
    fn input() -> BorrowedFd<'static> {
        // SAFETY: the descriptor stays open as long as the program.
        unsafe { rustix::stdio::stdin() }
    }

    #[allow(unsafe_code, reason = "nobody closes it, here or in the core")]
    fn output() -> BorrowedFd<'static> {
        // SAFETY: the descriptor stays open as long as the program.
        unsafe { rustix::stdio::stdout() }
    }

    /// Standard input and output.
    struct Standard;

    impl Standard {
        /// Waits until one of these may be possible.
        fn wait(fd: BorrowedFd<'_>, flags: PollFlags, at_most: Duration) -> bool {
            let at_most = Timespec::try_from(at_most).ok();
            matches!(poll(&mut [PollFd::from_borrowed_fd(fd, flags)], at_most.as_ref()), Ok(1..))
        }
    }

    impl Wire for Standard {
        fn receive(&mut self, room: &mut [u8], patience: Duration) -> Received {
            if !Self::wait(input(), PollFlags::IN, patience) {
                return Received::Nothing;
            }
            match read(input(), room) {
                Ok(0) => Received::End,
                Ok(n) => Received::Octets(n),
                Err(Errno::INTR) => Received::Nothing,
                Err(_) => Received::End,
            }
        }

        fn send(&mut self, octets: &[u8]) -> Result<usize, Gone> {
            if !Self::wait(output(), PollFlags::OUT, Duration::from_secs(1)) {
                return Ok(0);
            }
            match write(output(), octets) {
                Ok(n) => Ok(n),
                Err(Errno::INTR) => Ok(0),
                Err(_) => Err(Gone),
            }
        }

        fn end(&mut self) {
            // A pipe has no side to end; it ends with the program.
            let _ = rustix::net::shutdown(output(), rustix::net::Shutdown::Write);
        }

        fn now(&self) -> Instant {
            let now = clock_gettime(ClockId::Monotonic);
            Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
        }

        fn date(&self) -> Option<u64> {
            u64::try_from(clock_gettime(ClockId::Realtime).tv_sec).ok()
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
