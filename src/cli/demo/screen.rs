//! Shows how far wishes are: bars that move on a terminal, lines elsewhere.

use std::io::{self, IsTerminal as _};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::wish::{Standing, Wish};
use crate::cli::output::say;

/// How wide the names are.
const NAME: usize = 14;

/// Where progress is shown.
#[derive(Debug)]
pub(super) enum Screen {
    /// One bar for each wish.
    Bars(Vec<ProgressBar>),
    /// A line for each step, and what was shown last.
    Lines { names: Vec<String>, shown: Vec<Option<Standing>> },
}

impl Screen {
    pub(super) fn new(wishes: &[Wish]) -> Self {
        let names = wishes.iter().map(|wish| format!("files/{}", wish.id));
        // Bars are drawn on standard error; between them and lines on a
        // standard output that is no terminal, lines are what can be kept.
        if !(io::stderr().is_terminal() && io::stdout().is_terminal()) {
            return Self::Lines { names: names.collect(), shown: vec![None; wishes.len()] };
        }
        let bars = MultiProgress::new();
        let bar = |name: String| {
            let style = ProgressStyle::with_template("{prefix:14} {bar:30.green/dim} {percent:>3} %  {msg}");
            let bar = bars.add(ProgressBar::new(100));
            bar.set_style(style.expect("the template is well formed"));
            bar.set_prefix(name);
            bar
        };
        Self::Bars(names.map(bar).collect())
    }

    /// Shows where the wish at this place stands now.
    pub(super) fn show(&mut self, at: usize, standing: &Standing) {
        match self {
            Self::Bars(bars) => {
                bars[at].set_position(standing.percent());
                bars[at].set_message(words(standing));
                if standing.settled {
                    bars[at].abandon();
                }
            }
            Self::Lines { names, shown } => {
                if shown[at].as_ref() != Some(standing) {
                    say(&format!("{:NAME$} {:>3} %  {}", names[at], standing.percent(), words(standing)));
                    shown[at] = Some(standing.clone());
                }
            }
        }
    }
}

fn words(standing: &Standing) -> String {
    if standing.words.is_empty() { standing.phase.clone() } else { format!("{}: {}", standing.phase, standing.words) }
}
