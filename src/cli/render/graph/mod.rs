//! The commit graph of `log --graph`, drawn as Git draws it.
//!
//! A *column* is a line that leads down to a commit still to come. Every commit turns the columns above it into those
//! below it: its own column becomes one per parent, and columns that lead to one commit become one. `edges` says for
//! each place of the screen which lower column the line there leads to; place `2 * n` is where column `n` stands. Rows
//! are drawn until every line stands in its column: one that spreads the arms of a merge, then one for each step to the
//! left, of which only one line may go more than a place at once.

use std::collections::VecDeque;

use anstyle::Style;

use crate::model::ObjectId;

/// Draws the graph from newest to oldest commit; the walk must not show a parent before all its shown children.
pub struct Graph {
    colors: [Style; 6],
    color: usize,
    /// The columns that come into the commit from above.
    upper: Vec<Column>,
    /// The columns that go on below it.
    lower: Vec<Column>,
    edges: Edges,
    /// The edges of the last row that collapsed.
    collapsed: Edges,
    commit: Option<ObjectId>,
    parents: Vec<ObjectId>,
    /// The column of the commit, and that of the commit before.
    at: usize,
    before: usize,
    /// A merge leans to the left (its first arm goes to a column there) rather than to the right.
    leans_left: bool,
    /// Columns that this commit, and the one before, adds on its right; less than 0 where they join at once.
    added: i32,
    added_before: i32,
    width: usize,
    /// What the row before was.
    last: Row,
}

/// A line down to a commit that is still to come.
#[derive(Clone, Copy)]
struct Column {
    towards: ObjectId,
    color: Style,
}

/// Which lower column the line at each place of the screen leads to.
type Edges = Vec<Option<usize>>;

/// What a row is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    None,
    Spread,
    Commit,
    Merge,
    Collapse,
}

/// The rows to the left of one commit's text.
pub struct Rows {
    /// Rows above the commit's own.
    above: Vec<String>,
    ready: VecDeque<String>,
    padding: String,
}

impl Rows {
    /// Returns the rows that stand above the commit's own.
    pub fn above(&mut self) -> impl Iterator<Item = String> {
        self.above.drain(..)
    }

    /// Returns what stands to the left of the next line of text: the commit's own row first.
    pub fn next_row(&mut self) -> String {
        self.ready.pop_front().unwrap_or_else(|| self.padding.clone())
    }

    /// Returns the rows that are left when the text has ended.
    pub fn rest(&mut self) -> impl Iterator<Item = String> {
        self.ready.drain(..)
    }
}

/// One row under construction.
#[derive(Default)]
struct Line {
    text: String,
    width: usize,
}

impl Line {
    fn put(&mut self, mark: char, column: Option<&Column>) {
        match column {
            Some(Column { color, .. }) => self.text.push_str(&format!("{color}{mark}{color:#}")),
            None => self.text.push(mark),
        }
        self.width += 1;
    }

    fn blank(&mut self) {
        self.put(' ', None);
    }

    /// Returns the row, at least `width` characters wide.
    fn finish(mut self, width: usize) -> String {
        while self.width < width {
            self.blank();
        }
        self.text
    }
}

impl Graph {
    /// Starts above the newest commit.
    pub fn new(colors: [Style; 6]) -> Self {
        Self {
            colors,
            color: colors.len() - 1,
            upper: Vec::new(),
            lower: Vec::new(),
            edges: Vec::new(),
            collapsed: Vec::new(),
            commit: None,
            parents: Vec::new(),
            at: 0,
            before: 0,
            leans_left: false,
            added: 0,
            added_before: 0,
            width: 0,
            last: Row::None,
        }
    }

    /// Draws a commit, given the parents that will be shown; `apart` keeps a row between it and the commit above.
    pub fn commit(&mut self, id: ObjectId, parents: &[ObjectId], apart: bool) -> Rows {
        (self.commit, self.parents) = (Some(id), parents.to_vec());
        self.before = self.at;
        self.lead_on(id);
        let mut above = Vec::new();
        while self.needs_room(above.len()) {
            above.push(self.room_row(above.len()));
        }
        if !above.is_empty() {
            // These keep them apart, too.
            self.last = Row::Spread;
        } else if apart {
            above.push(self.straight_row());
            self.last = Row::None;
        }
        let mut ready = VecDeque::from([self.commit_row()]);
        self.last = Row::Commit;
        if self.parents.len() > 1 {
            ready.push_back(self.merge_row());
            self.last = Row::Merge;
        }
        while !self.is_settled() {
            ready.push_back(self.collapse_row());
            self.last = Row::Collapse;
        }
        let mut padding = Line::default();
        for column in &self.lower {
            padding.put('|', Some(column));
            padding.blank();
        }
        Rows { above, ready, padding: padding.finish(self.width) }
    }

    /// Finds out which columns go on below the commit, and which line leads to which of them.
    fn lead_on(&mut self, id: ObjectId) {
        self.upper = std::mem::take(&mut self.lower);
        self.edges = vec![None; 2 * (self.upper.len() + self.parents.len()).max(1)];
        (self.added_before, self.added) = (self.added, 0);
        self.width = 0;
        let known = self.upper.iter().any(|c| c.towards == id);
        let incoming: Vec<ObjectId> = self.incoming();
        for (i, towards) in incoming.into_iter().enumerate() {
            if towards != id {
                self.lead_to(towards, None, &mut true);
                continue;
            }
            self.at = i;
            let mut leans = false;
            for parent in self.parents.clone() {
                if self.parents.len() > 1 || !known {
                    self.color = (self.color + 1) % self.colors.len();
                }
                self.lead_to(parent, Some(i), &mut leans);
            }
            if self.parents.is_empty() {
                self.width += 2;
            }
        }
        while self.edges.len() > 1 && self.edges.last().is_some_and(Option::is_none) {
            self.edges.pop();
        }
    }

    /// Returns what the columns from above lead to, the commit itself last if none does.
    fn incoming(&self) -> Vec<ObjectId> {
        let mut all: Vec<ObjectId> = self.upper.iter().map(|c| c.towards).collect();
        all.extend(self.commit.filter(|id| !all.contains(id)));
        all
    }

    /// Leads a line to a commit below; `from` is the column of the commit if the line is one of a parent. `leans` tells
    /// whether the first of these lines decided already to which side a merge leans.
    fn lead_to(&mut self, towards: ObjectId, from: Option<usize>, leans: &mut bool) {
        let to = self.lower_column(towards).unwrap_or_else(|| {
            let known = self.upper.iter().find(|c| c.towards == towards);
            let color = known.map_or(self.colors[self.color], |c| c.color);
            self.lower.push(Column { towards, color });
            self.lower.len() - 1
        });
        let place = match from {
            Some(from) if self.parents.len() > 1 && !*leans => {
                *leans = true;
                let distance = from as i32 - to as i32;
                self.leans_left = distance > 0;
                self.added = self.parents.len() as i32 - if self.leans_left { 2 } else { 1 };
                match self.leans_left {
                    // Between the commit and the column on its left there is just one place for the arm.
                    true => self.width - if distance > 1 { (2 * distance - 3) as usize } else { 1 },
                    false => {
                        self.width += 2;
                        self.width - 2
                    }
                }
            }
            // The column beside those that a merge added leads to where the last of its arms does: they join at once.
            _ if self.added > 0 && self.edges[self.width - 2] == Some(to) => {
                self.added = -1;
                self.width - 2
            }
            _ => {
                self.width += 2;
                self.width - 2
            }
        };
        self.edges[place] = Some(to);
    }

    fn lower_column(&self, towards: ObjectId) -> Option<usize> {
        self.lower.iter().position(|c| c.towards == towards)
    }

    /// Arms of a merge that are drawn as dashes beside its mark.
    fn dashed(&self) -> usize {
        (self.parents.len() + usize::from(!self.leans_left)).saturating_sub(3)
    }

    /// Tells whether the columns on the right of an octopus must give way further.
    fn needs_room(&self, rows: usize) -> bool {
        self.parents.len() >= 3 && self.at + 1 < self.upper.len() && rows < self.dashed() * 2
    }

    /// Draws a row in which the columns on the right give way.
    fn room_row(&self, rows: usize) -> String {
        let mut line = Line::default();
        for (i, column) in self.upper.iter().enumerate() {
            let came_aslant = self.last == Row::Merge && self.before < i;
            let mark = if i > self.at && (rows > 0 || came_aslant) { '\\' } else { '|' };
            line.put(mark, Some(column));
            if i == self.at {
                (0..rows).for_each(|_| line.blank());
            }
            line.blank();
        }
        line.finish(self.width)
    }

    /// Draws a row of nothing but the columns from above.
    fn straight_row(&self) -> String {
        let mut line = Line::default();
        for (i, column) in self.upper.iter().enumerate() {
            line.put('|', Some(column));
            let arms = if i == self.at { self.parents.len().saturating_sub(2) * 2 } else { 0 };
            (0..arms.max(1)).for_each(|_| line.blank());
        }
        line.finish(self.width)
    }

    fn commit_row(&self) -> String {
        let mut line = Line::default();
        for i in 0..self.upper.len().max(self.at + 1) {
            if i == self.at {
                line.put('*', None);
                self.dashes(&mut line);
            } else {
                line.put(self.passing_mark(i), self.upper.get(i));
            }
            line.blank();
        }
        line.finish(self.width)
    }

    /// Returns how a column that passes by the commit is drawn.
    fn passing_mark(&self, i: usize) -> char {
        let edge = |edges: &Edges, place: usize| edges.get(place).copied().flatten();
        if i > self.at && self.added > 1 {
            return '\\';
        }
        if i > self.at && self.added == 1 {
            let came_aslant = self.last == Row::Merge && self.added_before > 0 && self.before < i;
            return if came_aslant { '\\' } else { '|' };
        }
        let goes_on_left = self.last == Row::Collapse
            && edge(&self.collapsed, 2 * i + 1) == Some(i)
            && edge(&self.edges, 2 * i).is_none_or(|to| to < i);
        if goes_on_left { '/' } else { '|' }
    }

    /// Draws the arms of an octopus that lie on the row of its mark.
    fn dashes(&self, line: &mut Line) {
        if self.parents.len() < 3 {
            return;
        }
        for i in 0..self.dashed() {
            let to = self.edges.get((self.at + i + 2) * 2).copied().flatten();
            let column = to.and_then(|to| self.lower.get(to));
            line.put('-', column);
            line.put(if i + 1 == self.dashed() { '.' } else { '-' }, column);
        }
    }

    /// Draws the arms of a merge below its mark.
    fn merge_row(&self) -> String {
        let mut line = Line::default();
        let first = self.parents.first().copied();
        // The column that leads to the first parent already, once it was passed.
        let mut there: Option<&Column> = None;
        for (i, towards) in self.incoming().into_iter().enumerate() {
            if i == self.at {
                let marks = if self.leans_left { &['/', '|', '\\'][..] } else { &['|', '\\'] };
                for (n, parent) in self.parents.iter().enumerate() {
                    let mark = marks.get(n).copied().unwrap_or('\\');
                    line.put(mark, self.lower_column(*parent).map(|to| &self.lower[to]));
                    if mark == '\\' && (self.added > 0 || n + 1 < self.parents.len()) {
                        line.blank();
                    }
                }
                if self.added == 0 {
                    line.blank();
                }
            } else if i > self.at {
                line.put(if self.added > 0 { '\\' } else { '|' }, self.upper.get(i));
                line.blank();
            } else {
                line.put('|', self.upper.get(i));
                if !self.leans_left || i + 1 != self.at {
                    match there {
                        Some(column) => line.put('_', Some(column)),
                        None => line.blank(),
                    }
                }
            }
            if Some(towards) == first {
                there = self.upper.get(i);
            }
        }
        line.finish(self.width)
    }

    fn is_settled(&self) -> bool {
        self.edges.iter().enumerate().all(|(place, to)| to.is_none_or(|to| to == place / 2))
    }

    /// Draws a row in which lines go towards their columns on the left.
    fn collapse_row(&mut self) -> String {
        let old = std::mem::take(&mut self.edges);
        let mut edges: Edges = vec![None; old.len()];
        // The one line that goes more than a place: where it begins, and the column it leads to.
        let mut long: Option<(usize, usize)> = None;
        for (place, to) in old.iter().enumerate().filter_map(|(place, to)| Some((place, (*to)?))) {
            if to * 2 == place {
                edges[place] = Some(to);
                continue;
            }
            let landed = match edges[place - 1] {
                None => place - 1,
                Some(other) if other == to => continue,
                // Another line stands in between, which is crossed.
                Some(_) => place - 2,
            };
            edges[landed] = Some(to);
            if long.is_none() {
                long = Some((landed + 1, to));
                for between in (to * 2 + 3..place.saturating_sub(2)).step_by(2) {
                    edges[between] = Some(to);
                }
            }
        }
        self.collapsed = edges.clone();
        if edges.last().is_some_and(Option::is_none) {
            edges.pop();
        }
        let mut line = Line::default();
        let mut is_long = false;
        for (place, edge) in edges.iter_mut().enumerate() {
            let Some(to) = *edge else {
                line.blank();
                continue;
            };
            let column = self.lower.get(to);
            if to * 2 == place {
                line.put('|', column);
            } else if long.is_some_and(|(begin, target)| to == target && place + 1 != begin) {
                // All of it but its last place is done with this row.
                if place != to * 2 + 3 {
                    *edge = None;
                }
                is_long = true;
                line.put('_', column);
            } else {
                if is_long && long.is_some_and(|(begin, _)| place < begin) {
                    *edge = None;
                }
                line.put('/', column);
            }
        }
        self.edges = edges;
        line.finish(self.width)
    }
}

#[cfg(test)]
mod tests;
