//! The terminal, for as long as frames are drawn on it: given back as it was, however that ends.

use std::io;

use ratatui::DefaultTerminal;

use super::draw::draw;
use super::theme::Theme;
use super::view::View;

/// Dropped, it gives the terminal back; so it does when the program panics, before that is told.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    theme: Theme,
}

impl Screen {
    pub(super) fn open() -> io::Result<Screen> {
        let theme = Theme::of_environment();
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen { terminal, theme }),
            Err(error) => {
                // It may have begun to change it.
                give_back();
                Err(error)
            }
        }
    }

    /// Draws a frame; only what is another than before is sent.
    pub(super) fn show(&mut self, view: &View) -> io::Result<()> {
        let theme = self.theme;
        self.terminal.draw(|frame| draw(view, theme, frame.area(), frame.buffer_mut())).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Whoever panics has given it back already; a second time would write over what is told.
        if !std::thread::panicking() {
            give_back();
        }
    }
}

/// A terminal that is gone takes nothing back, and nobody is there to be told.
fn give_back() {
    ratatui::try_restore().ok();
}
