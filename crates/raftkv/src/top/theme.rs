//! How things look. Nothing is said by colour alone: where there is none, words and marks are left.

use ratatui::style::{Color, Modifier, Style};

use crate::diagnosis::Health;

/// The styles, with colours or without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    has_colours: bool,
}

impl Theme {
    pub(super) const PLAIN: Theme = Theme { has_colours: false };

    #[cfg(test)]
    pub(super) const COLOURED: Theme = Theme { has_colours: true };

    /// As <https://no-color.org> has it: a variable that is set and not empty.
    pub(super) fn of_environment() -> Theme {
        let no_color = std::env::var_os("NO_COLOR");
        Theme { has_colours: no_color.is_none_or(|value| value.is_empty()) }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn heading(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::UNDERLINED)
    }

    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn leader(self) -> Style {
        self.coloured(Color::Green).add_modifier(Modifier::BOLD)
    }

    pub(super) fn candidate(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub(super) fn rare(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(super) fn spark(self) -> Style {
        self.coloured(Color::Green)
    }

    /// What must not be overlooked.
    pub(super) fn alert(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub(super) fn health(self, health: Health) -> Style {
        match health {
            Health::Healthy => self.coloured(Color::Green),
            Health::Degraded => self.coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            Health::Down => self.alert(),
        }
    }
}
