//! SPDX expressions, as crates name their licences: `MIT`, `MIT OR Apache-2.0`, `(A OR B) AND C`,
//! `A WITH exception`, `A+` for its later versions too, and the `A/B` of old crates.

/// Whether we may use what stands under `expression`, if we accept the licences that `accepts`
/// says. `None` is an expression that can not be read.
///
/// An exception (`WITH`) and later versions (`+`) only ever allow more, so they change nothing.
pub(crate) fn satisfied(expression: &str, accepts: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, accepts };
    let satisfied = parser.any()?;
    parser.words.is_empty().then_some(satisfied)
}

/// The licences that an expression names.
pub(crate) fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| "()/ ".contains(letter));
    words.map(|word| word.trim_end_matches('+')).filter(|word| !word.is_empty())
}

struct Parser<'a> {
    words: &'a [&'a str],
    accepts: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    /// `a OR b OR …`, which binds less than AND.
    fn any(&mut self) -> Option<bool> {
        let mut satisfied = self.all()?;
        while self.take("OR") {
            satisfied |= self.all()?;
        }
        Some(satisfied)
    }

    /// `a AND b AND …`.
    fn all(&mut self) -> Option<bool> {
        let mut satisfied = self.one()?;
        while self.take("AND") {
            satisfied &= self.one()?;
        }
        Some(satisfied)
    }

    /// A licence, or an expression in parentheses.
    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let satisfied = self.any()?;
            return self.take(")").then_some(satisfied);
        }
        let licence = self.name()?;
        if self.take("WITH") {
            self.name()?;
        }
        Some((self.accepts)(licence.trim_end_matches('+')))
    }

    fn name(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        (!["OR", "AND", "WITH", "(", ")"].contains(first)).then_some(*first)
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => self.words = rest,
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(expression: &str) -> Option<bool> {
        satisfied(expression, &|licence| ["MIT", "ISC", "Apache-2.0"].contains(&licence))
    }

    #[test]
    fn one_of_several_is_enough_and_all_of_several_are_needed() {
        for good in
            ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND ISC", "(GPL-3.0 OR MIT) AND ISC"]
        {
            assert_eq!(read(good), Some(true), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "mit"] {
            assert_eq!(read(bad), Some(false), "{bad}");
        }
    }

    #[test]
    fn and_binds_more_than_or() {
        assert_eq!(read("MIT OR ISC AND GPL-3.0"), Some(true));
        assert_eq!(read("GPL-3.0 AND MIT OR GPL-2.0 AND ISC"), Some(false));
    }

    #[test]
    fn exceptions_and_later_versions_only_allow_more() {
        assert_eq!(read("Apache-2.0 WITH LLVM-exception"), Some(true));
        assert_eq!(read("GPL-2.0+ WITH Classpath-exception-2.0"), Some(false));
        assert_eq!(read("MIT+"), Some(true));
    }

    #[test]
    fn what_is_no_expression_is_not_read() {
        for broken in ["", "MIT OR", "OR MIT", "MIT ISC", "(MIT", "MIT)", "MIT WITH", "MIT AND AND"]
        {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_expression_names_its_licences() {
        let named: Vec<&str> = names("(MPL-2.0+ OR MIT/ISC)").collect();
        assert_eq!(named, ["MPL-2.0", "OR", "MIT", "ISC"]);
    }
}
