//! Rounds, medians and verdicts, as they are printed.

use std::fmt::Display;

/// What one contender needed in one round.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// From the start to durable bytes under their name.
    pub seconds: f64,
    /// Seconds of processors on the receiving side.
    pub child_cpu: f64,
    /// Seconds of processors on the giving side.
    pub parent_cpu: f64,
}

impl Sample {
    /// Where only the server's processors count.
    pub const fn of_server(seconds: f64, parent_cpu: f64) -> Self {
        Self { seconds, child_cpu: 0.0, parent_cpu }
    }
}

/// All rounds of one line of the table of goals.
#[derive(Debug)]
pub struct Row {
    name: String,
    samples: Vec<(String, Sample)>,
}

/// What a ratio must not exceed, and what it is hoped to be.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Missed beyond this.
    pub must: f64,
    /// The aim.
    pub aim: f64,
}

impl Row {
    /// A row without rounds yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), samples: Vec::new() }
    }

    /// Takes down and prints what a contender needed.
    pub fn add(&mut self, who: &str, sample: Sample) {
        let round = self.of(who).count() + 1;
        let Sample { seconds, child_cpu, parent_cpu } = sample;
        println!(
            "ROUND {} {round} {who} seconds={seconds:.3} child_cpu={child_cpu:.2} \
             parent_cpu={parent_cpu:.2}",
            self.name
        );
        self.samples.push((who.to_owned(), sample));
    }

    /// Prints the medians of everybody.
    pub fn print_medians(&self) {
        let mut known: Vec<&str> = Vec::new();
        for (who, _) in &self.samples {
            if known.contains(&who.as_str()) {
                continue;
            }
            known.push(who);
            let of = |part: fn(Sample) -> f64| {
                median(self.of(who).map(part).collect()).unwrap_or_default()
            };
            println!(
                "MEDIAN {} {who} seconds={:.3} child_cpu={:.2} parent_cpu={:.2}",
                self.name,
                of(|sample| sample.seconds),
                of(|sample| sample.child_cpu),
                of(|sample| sample.parent_cpu)
            );
        }
    }

    /// Compares a contender's median with the best of others', prints the verdict, and says
    /// whether it met what it must. Whoever has no rounds has met nothing.
    pub fn judge(&self, who: &str, others: &[&str], goal: Goal) -> bool {
        self.judge_part(|sample| sample.seconds, who, others, goal)
    }

    /// The same for the seconds of processors of the giving side.
    pub fn judge_cpu(&self, who: &str, other: &str, goal: Goal) -> bool {
        self.judge_part(|sample| sample.parent_cpu, who, &[other], goal)
    }

    fn judge_part(&self, part: fn(Sample) -> f64, who: &str, others: &[&str], goal: Goal) -> bool {
        let of = |who: &str| median(self.of(who).map(part).collect());
        let best = others
            .iter()
            .filter_map(|other| Some((*other, of(other)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let (Some(mine), Some((other, theirs))) = (of(who), best) else {
            println!("BENCH {} {who} against {}: no rounds MISSED", self.name, others.join(", "));
            return false;
        };
        let subject = format!("{} {who}/{other}", self.name);
        judge_value(&subject, mine / theirs, goal, "x")
    }

    fn of<'a>(&'a self, who: &'a str) -> impl Iterator<Item = Sample> + 'a {
        self.samples.iter().filter(move |(name, _)| name == who).map(|(_, sample)| *sample)
    }
}

/// Compares a figure with its goal, prints the verdict, and says whether it met what it must.
pub fn judge_value(subject: impl Display, value: f64, goal: Goal, unit: &str) -> bool {
    let Goal { must, aim } = goal;
    let verdict = if value <= must { "met" } else { "MISSED" };
    println!("BENCH {subject} value={value:.3}{unit} must={must}{unit} aim={aim}{unit} {verdict}");
    value <= must
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(middle - 1)?, upper))
}

/// The value that this part of all values does not exceed, by the nearest rank.
pub fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (part * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(samples: &[(&str, f64)]) -> Row {
        let mut row = Row::new("test");
        for (who, seconds) in samples {
            row.add(who, Sample { seconds: *seconds, ..Sample::default() });
        }
        row
    }

    #[test]
    fn the_best_of_the_others_is_what_counts() {
        let goal = Goal { must: 1.0, aim: 0.5 };
        let row = row(&[("we", 10.0), ("slow", 20.0), ("fast", 9.0), ("we", 8.0), ("we", 9.0)]);
        assert!(row.judge("we", &["slow", "fast"], goal));
        assert!(!row.judge("we", &["slow", "fast"], Goal { must: 0.99, aim: 0.5 }));
        assert!(!row.judge("we", &["nobody"], goal), "without a comparison nothing is met");
        assert!(!row.judge("nobody", &["slow"], goal));
    }

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(hundred.clone(), 0.99), Some(99.0));
        assert_eq!(quantile(hundred, 1.0), Some(100.0));
        assert_eq!(quantile(vec![7.0], 0.5), Some(7.0));
        assert_eq!(quantile(vec![], 0.5), None);
    }
}
