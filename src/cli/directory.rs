//! How is a directory to be served?

use clap::Args;

use crate::files;

/// How a directory is served.
#[derive(Args)]
#[command(next_help_heading = "Files")]
pub(super) struct FilesFlags {
    /// The file that stands for its directory (index.html)
    #[arg(long, hide_short_help = true, value_name = "NAME", conflicts_with = "hello")]
    index: Option<String>,
    /// Show the names in directories without an index
    #[arg(long, conflicts_with = "hello")]
    listing: bool,
    /// Serve names that begin with a dot
    #[arg(long, hide_short_help = true, conflicts_with = "hello")]
    dot_files: bool,
    /// Follow symbolic links out of DIR
    #[arg(long, hide_short_help = true, conflicts_with = "hello")]
    follow_links: bool,
}

impl FilesFlags {
    /// The options that the flags ask for.
    pub(super) fn options(&self) -> files::Options {
        let mut options = files::Options::default();
        if let Some(index) = &self.index {
            options.index = Some(index.clone());
        }
        if self.listing {
            options.listing = files::Listing::On;
        }
        if self.dot_files {
            options.dot_files = files::DotFiles::Serve;
        }
        if self.follow_links {
            options.symlinks = files::Symlinks::Anywhere;
        }
        options
    }
}
