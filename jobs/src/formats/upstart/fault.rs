//! What can be wrong in an Upstart file: made where it is found, shown by [`Fault::report`].

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::ops::Range;

use events::{ConditionError, ConditionFault, Token};

use crate::Report;

/// A fault for which a text is refused; boxed, since it is rare and large.
pub(super) type Checked<T> = Result<T, Box<Fault>>;

/// Something wrong at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub code: &'static str,
    pub message: String,
    pub span: Range<usize>,
    pub label: String,
    /// A second place that explains the first, such as the quote that is not closed.
    pub also: Option<(Range<usize>, &'static str)>,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Box<Self> {
        let fault =
            Self { code, message: message.into(), span, label: String::new(), also: None, help: None };
        Box::new(fault)
    }

    pub fn label(mut self: Box<Self>, label: impl Into<String>) -> Box<Self> {
        self.label = label.into();
        self
    }

    pub fn also(mut self: Box<Self>, span: Range<usize>, label: &'static str) -> Box<Self> {
        self.also = Some((span, label));
        self
    }

    pub fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }

    /// The report of it, for the file at `path`.
    pub fn report(self, path: &str) -> Report {
        let mut report = Report::error(self.code, self.message).at(path, self.span, self.label);
        if let Some((span, label)) = self.also {
            report = report.at(path, span, label);
        }
        report.help = self.help;
        report
    }
}

/// A quote that the file's end finds open.
pub(super) fn open_quote(end: usize, opened: usize) -> Box<Fault> {
    Fault::new("unterminated-quote", end..end, "quote is not closed")
        .label("the file ends here")
        .also(opened..opened.saturating_add(1), "opened here")
        .help("close the quote, or write `\\'` for an apostrophe: a quote goes on over the end of its line")
}

/// A `\` with nothing behind it.
pub(super) fn trailing_slash(at: usize) -> Box<Fault> {
    Fault::new("trailing-slash", at..at.saturating_add(1), "`\\` is the last character of the file")
        .label("nothing follows")
        .help("remove the `\\`, or write the line that it announces")
}

/// The fault that the condition of `stanza` has.
pub(super) fn of_condition(stanza: &str, error: ConditionError, tokens: &[Token]) -> Box<Fault> {
    let (code, help): (_, Option<String>) = match &error.fault {
        ConditionFault::Empty => {
            let fault = Fault::new("expected-token", error.span, format!("`{stanza}` needs an event"));
            return fault.label("expected here").help(format!("write `{stanza} EVENT`"));
        }
        ConditionFault::ExpectedEvent => (
            "expected-event",
            Some("an event stands on both sides of `and` and `or`, and between parentheses".into()),
        ),
        ConditionFault::ExpectedOperator => (
            "expected-operator",
            Some("write `and` or `or` before it, or quote it if it is an argument".into()),
        ),
        ConditionFault::ExpectedVariable => {
            ("expected-variable", Some("move it before the first KEY=VALUE, or name it".into()))
        }
        ConditionFault::Parentheses => ("mismatched-parens", Some(parentheses_help(tokens).into())),
        ConditionFault::Quote => ("unterminated-quote", None),
        ConditionFault::Name(_) => {
            ("illegal-name", Some("an event's name is one word; quotes make one word of several".into()))
        }
        ConditionFault::Key(_) => ("illegal-key", Some("quote the whole word if it is a position".into())),
        ConditionFault::Template(_) => ("illegal-variable", Some("`${}` stands for a plain `$`".into())),
        ConditionFault::ExpectedDelay | ConditionFault::ExpectedGone => ("expected-token", None),
        ConditionFault::NotOverEvents => {
            ("not-over-events", Some("to leave out some values of an argument, write KEY!=VALUE".into()))
        }
        ConditionFault::TooLarge => {
            ("condition-too-large", Some("let a task emit one event for some of them".into()))
        }
    };
    let is_parentheses = error.fault == ConditionFault::Parentheses;
    let mut fault = Fault::new(code, error.span, format!("{}", error.fault));
    fault.help = help;
    fault.also = open_parenthesis(tokens).filter(|_| is_parentheses).map(|span| (span, "opened here"));
    fault
}

fn parentheses_help(tokens: &[Token]) -> &'static str {
    match open_parenthesis(tokens) {
        Some(_) => "close it with `)`: within parentheses a condition goes on over line ends",
        None => "remove the `)`, or write the `(` that it closes",
    }
}

/// Where the last `(` stands that nothing closes.
fn open_parenthesis(tokens: &[Token]) -> Option<Range<usize>> {
    let mut open: Vec<&Token> = Vec::new();
    for token in tokens.iter().filter(|token| !token.quoted) {
        match token.text.as_str() {
            "(" => open.push(token),
            ")" => {
                open.pop();
            }
            _ => {}
        }
    }
    open.last().map(|token| token.span.clone())
}
