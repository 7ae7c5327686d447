//! The commit graph of `log --graph`: lanes that run down, fork at merges and join at common parents.

use std::collections::VecDeque;

use anstyle::Style;

use crate::model::ObjectId;

/// Draws the graph from newest to oldest commit; the walk must not show a parent before all its shown children.
pub struct Graph {
    lanes: Vec<Lane>,
    colors: [Style; 6],
    used: usize,
}

/// A line down to a commit that is still to come.
#[derive(Clone, Copy)]
struct Lane {
    towards: ObjectId,
    color: Style,
}

/// The rows to the left of one commit's text.
pub struct Rows {
    ready: VecDeque<String>,
    padding: String,
}

impl Rows {
    /// Returns what stands to the left of the next line of text: the commit's own row first.
    pub fn next_row(&mut self) -> String {
        self.ready.pop_front().unwrap_or_else(|| self.padding.clone())
    }

    /// Returns the rows that are left when the text has ended.
    pub fn rest(&mut self) -> impl Iterator<Item = String> {
        self.ready.drain(..)
    }
}

/// One row under construction: characters two columns apart for lanes, edges between them.
struct Row(Vec<(char, Style)>);

impl Row {
    fn new(lanes: usize) -> Self {
        Self(vec![(' ', Style::new()); lanes * 2])
    }

    fn set(&mut self, column: usize, mark: char, color: Style) {
        if self.0.len() <= column {
            self.0.resize(column + 1, (' ', Style::new()));
        }
        self.0[column] = (mark, color);
    }

    /// Writes the row, `width` characters wide.
    fn render(mut self, width: usize) -> String {
        self.0.resize(width.max(self.0.len()), (' ', Style::new()));
        let mut text = String::new();
        for (mark, color) in self.0 {
            match mark {
                ' ' => text.push(' '),
                _ => text.push_str(&format!("{color}{mark}{color:#}")),
            }
        }
        text
    }
}

impl Graph {
    /// Starts above the newest commit.
    pub fn new(colors: [Style; 6]) -> Self {
        Self { lanes: Vec::new(), colors, used: 0 }
    }

    fn lane(&mut self, towards: ObjectId) -> Lane {
        self.used += 1;
        Lane { towards, color: self.colors[(self.used - 1) % self.colors.len()] }
    }

    fn straight(&self) -> Row {
        let mut row = Row::new(self.lanes.len());
        for (i, lane) in self.lanes.iter().enumerate() {
            row.set(i * 2, '|', lane.color);
        }
        row
    }

    /// Draws a commit, given the parents that will be shown.
    pub fn commit(&mut self, id: ObjectId, parents: &[ObjectId]) -> Rows {
        let at = match self.lanes.iter().position(|l| l.towards == id) {
            Some(at) => at,
            None => {
                let lane = self.lane(id);
                self.lanes.push(lane);
                self.lanes.len() - 1
            }
        };
        let mut rows = vec![self.straight()];
        rows[0].set(at * 2, '*', Style::new());
        match parents.split_first() {
            None => rows.extend(self.close(at)),
            Some((first, others)) => {
                self.lanes[at].towards = *first;
                for other in others.iter().rev() {
                    rows.push(self.beside(at, *other).unwrap_or_else(|| self.fork(at, *other)));
                }
                while let Some((from, to)) = self.meeting() {
                    rows.extend(self.join(from, to));
                }
            }
        }
        let width = rows.iter().map(|r| r.0.len()).max().unwrap_or_default();
        let padding = self.straight().render(width);
        Rows { ready: rows.into_iter().map(|r| r.render(width)).collect(), padding }
    }

    /// Leads from `at` into the lane next to it, if that goes to the parent already.
    fn beside(&self, at: usize, towards: ObjectId) -> Option<Row> {
        let goes_there = |i: usize| self.lanes.get(i).filter(|l| l.towards == towards).map(|l| l.color);
        let mut row = self.straight();
        if let Some(color) = at.checked_sub(1).and_then(goes_there) {
            row.set(at * 2 - 1, '/', color);
            return Some(row);
        }
        row.set(at * 2 + 1, '\\', goes_there(at + 1)?);
        Some(row)
    }

    /// Opens a lane to the right of `at`; lanes beyond it give way.
    fn fork(&mut self, at: usize, towards: ObjectId) -> Row {
        let mut row = Row::new(self.lanes.len() + 1);
        for (i, lane) in self.lanes.iter().enumerate() {
            match i <= at {
                true => row.set(i * 2, '|', lane.color),
                false => row.set(i * 2 + 1, '\\', lane.color),
            }
        }
        let lane = self.lane(towards);
        row.set(at * 2 + 1, '\\', lane.color);
        self.lanes.insert(at + 1, lane);
        row
    }

    /// Ends a lane below a root; lanes to its right close up.
    fn close(&mut self, at: usize) -> Option<Row> {
        self.lanes.remove(at);
        (at < self.lanes.len()).then(|| self.closing_up(at))
    }

    /// Finds two lanes that lead to the same commit, the right one first.
    fn meeting(&self) -> Option<(usize, usize)> {
        (0..self.lanes.len()).find_map(|from| {
            let to = self.lanes[..from].iter().position(|l| l.towards == self.lanes[from].towards)?;
            Some((from, to))
        })
    }

    /// Leads lane `from` into lane `to` on its left, across what lies between; lanes to its right close up.
    fn join(&mut self, from: usize, to: usize) -> Vec<Row> {
        let lane = self.lanes.remove(from);
        let mut row = self.closing_up(from);
        row.set(from * 2 - 1, '/', lane.color);
        if from == to + 1 {
            return vec![row];
        }
        for column in (to * 2 + 3..from * 2 - 2).step_by(2) {
            row.set(column, '_', lane.color);
        }
        let mut last = self.straight();
        last.set(to * 2 + 1, '/', lane.color);
        vec![row, last]
    }

    /// Draws the lanes from `at` on moving one place to the left, where they already stand.
    fn closing_up(&self, at: usize) -> Row {
        let mut row = Row::new(self.lanes.len() + 1);
        for (i, lane) in self.lanes.iter().enumerate() {
            match i < at {
                true => row.set(i * 2, '|', lane.color),
                false => row.set(i * 2 + 1, '/', lane.color),
            }
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws commits given as `name:parents`.
    fn drawn(history: &[&str]) -> String {
        let id = |c: char| ObjectId::from_bytes([c as u8; 32]);
        let mut graph = Graph::new([Style::new(); 6]);
        let mut text = String::new();
        for commit in history {
            let (name, parents) = commit.split_once(':').expect("name:parents");
            let parents: Vec<_> = parents.chars().map(id).collect();
            let mut rows = graph.commit(id(name.chars().next().expect("a name")), &parents);
            text.push_str(&format!("{}{name}\n", rows.next_row()));
            for row in rows.rest() {
                text.push_str(&format!("{}\n", row.trim_end()));
            }
        }
        text
    }

    #[test]
    fn a_line_needs_no_edges() {
        assert_eq!(drawn(&["c:b", "b:a", "a:"]), "* c\n* b\n* a\n");
    }

    #[test]
    fn a_merge_forks_and_joins() {
        assert_eq!(drawn(&["m:ba", "a:r", "b:r", "r:"]), "*   m\n|\\\n| * a\n* | b\n|/\n* r\n");
    }

    #[test]
    fn lanes_give_way_to_a_fork_and_close_up_again() {
        assert_eq!(
            drawn(&["x:r", "m:ab", "b:r", "a:r", "r:"]),
            "* x\n| *   m\n| |\\\n| | * b\n| |/\n|/|\n| * a\n|/\n* r\n"
        );
        assert_eq!(drawn(&["m:ar", "x:r", "a:r", "r:"]), "*   m\n|\\\n| | * x\n| |/\n* | a\n|/\n* r\n");
    }

    #[test]
    fn an_octopus_has_an_arm_per_parent() {
        assert_eq!(
            drawn(&["m:abc", "c:r", "b:r", "a:r", "r:"]),
            "*     m\n|\\\n|\\ \\\n| | * c\n| * | b\n| |/\n* | a\n|/\n* r\n"
        );
    }

    #[test]
    fn a_root_ends_its_lane() {
        assert_eq!(drawn(&["m:ab", "a:", "b:"]), "*   m\n|\\\n* | a\n /\n* b\n");
    }

    #[test]
    fn text_beyond_the_edges_stands_beside_straight_lanes() {
        let id = |n| ObjectId::from_bytes([n; 32]);
        let mut graph = Graph::new([Style::new(); 6]);
        let mut rows = graph.commit(id(1), &[id(2), id(3)]);
        assert_eq!([rows.next_row(), rows.next_row(), rows.next_row()], ["*   ", "|\\  ", "| | "]);
    }
}
