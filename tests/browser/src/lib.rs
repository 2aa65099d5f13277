//! The stand on which the dashboard is looked at: a Chromium without a window, told what to do by
//! WebDriver, before real members.
//!
//! | file | what it holds |
//! |---|---|
//! | `driver.rs` | the process of chromedriver |
//! | `webdriver.rs` | one session with it: a command, its answer |
//! | `browser.rs` | one browser with a fresh profile: pages, clicks, what it logged and asked for |
//! | `page.rs` | the dashboard as those see it who use it |
//! | `dev.rs` | a `raftkv dev` of a test's own |
//! | `mock.rs` | a cluster that is played, for what no real one does on demand |
//!
//! Everything waits for conditions, as in `system-tests`; nothing asserts how fast a machine is.
//! The protocol is JSON over HTTP, and a dozen commands of it are used: the client libraries that
//! there are bring four dozen packages, many in versions of years ago, for that.
//!
//! What this does *not* do: know the page by heart. Elements are found by their labels and roles,
//! as those find them who do not see it, or by a `data-` attribute that says what they are.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

mod browser;
mod dev;
mod driver;
mod mock;
mod page;
mod webdriver;

pub use browser::{Browser, Look};
pub use dev::Dev;
pub use mock::Mock;
