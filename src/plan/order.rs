//! In which order flags are evaluated: what a flag depends on comes first. (Contract: evaluation 2.)

use std::collections::HashMap;

use crate::ecma::Text;

/// The dependencies among the flags of a map. No recursion: chains may be as long as they like.
#[derive(Debug, Default)]
pub(super) struct Order {
    by_key: HashMap<Text, u32>,
    /// For each flag, those of its dependencies that exist.
    parents: Vec<Vec<u32>>,
    /// The flag that the map holds under a flag's own key: the one that a visit takes away.
    taken_by: Vec<Option<u32>>,
}

impl Order {
    /// `flags`: the key in the map, the flag's own key, its dependencies.
    pub(super) fn new(flags: &[(&Text, &Text, &[Text])]) -> Self {
        let by_key: HashMap<Text, u32> =
            flags.iter().enumerate().map(|(index, (key, ..))| ((*key).clone(), index as u32)).collect();
        let parents = flags
            .iter()
            .map(|(_, _, dependencies)| {
                dependencies.iter().filter_map(|key| by_key.get(key).copied()).collect()
            })
            .collect();
        let taken_by = flags.iter().map(|(_, own, _)| by_key.get(*own).copied()).collect();
        Self { by_key, parents, taken_by }
    }

    /// The flags that depend on themselves, by whatever way: each strongly connected component of more than one
    /// flag, and each flag that names itself.
    pub(super) fn cycles(&self) -> Vec<Vec<u32>> {
        Components::of(&self.parents)
            .into_iter()
            .filter(|group| group.len() > 1 || self.parents[group[0] as usize].contains(&group[0]))
            .collect()
    }

    /// The flags of these keys (all, for `None`) with all they depend on, parents first.
    pub(super) fn select(&self, keys: Option<&[Text]>) -> Vec<u32> {
        let mut available = vec![true; self.parents.len()];
        let mut ordered = Vec::new();
        match keys {
            None => {
                (0..self.parents.len() as u32).for_each(|flag| self.visit(flag, &mut available, &mut ordered))
            }
            Some(keys) => {
                for flag in keys.iter().filter_map(|key| self.by_key.get(key)) {
                    self.visit(*flag, &mut available, &mut ordered);
                }
            }
        }
        ordered
    }

    fn visit(&self, start: u32, available: &mut [bool], ordered: &mut Vec<u32>) {
        if !available[start as usize] {
            return;
        }
        // Flags on the way down, each with the next of its parents to look at.
        let mut path = vec![(start, 0)];
        while let Some((flag, next)) = path.last_mut() {
            if let Some(&parent) = self.parents[*flag as usize].get(*next) {
                *next += 1;
                if available[parent as usize] {
                    path.push((parent, 0));
                }
                continue;
            }
            let flag = *flag;
            path.pop();
            ordered.push(flag);
            available[flag as usize] = false;
            if let Some(taken) = self.taken_by[flag as usize] {
                available[taken as usize] = false;
            }
        }
    }
}

/// Tarjan's strongly connected components, without recursion.
struct Components<'a> {
    edges: &'a [Vec<u32>],
    next: u32,
    index: Vec<Option<u32>>,
    low: Vec<u32>,
    stack: Vec<u32>,
    on_stack: Vec<bool>,
    found: Vec<Vec<u32>>,
}

impl<'a> Components<'a> {
    fn of(edges: &'a [Vec<u32>]) -> Vec<Vec<u32>> {
        let mut state = Self {
            edges,
            next: 0,
            index: vec![None; edges.len()],
            low: vec![0; edges.len()],
            stack: Vec::new(),
            on_stack: vec![false; edges.len()],
            found: Vec::new(),
        };
        for node in 0..edges.len() as u32 {
            if state.index[node as usize].is_none() {
                state.walk(node);
            }
        }
        state.found
    }

    fn walk(&mut self, start: u32) {
        self.enter(start);
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let edge = self.edges[node as usize].get(*next).copied();
            *next += 1;
            match edge {
                Some(to) => match self.index[to as usize] {
                    None => {
                        self.enter(to);
                        path.push((to, 0));
                    }
                    Some(index) if self.on_stack[to as usize] => {
                        self.low[node as usize] = self.low[node as usize].min(index);
                    }
                    Some(_) => {}
                },
                None => {
                    path.pop();
                    if let Some((above, _)) = path.last() {
                        self.low[*above as usize] = self.low[*above as usize].min(self.low[node as usize]);
                    }
                    self.leave(node);
                }
            }
        }
    }

    fn enter(&mut self, node: u32) {
        self.index[node as usize] = Some(self.next);
        self.low[node as usize] = self.next;
        self.next += 1;
        self.stack.push(node);
        self.on_stack[node as usize] = true;
    }

    fn leave(&mut self, node: u32) {
        if self.index[node as usize] != Some(self.low[node as usize]) {
            return;
        }
        let mut group = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack[member as usize] = false;
            group.push(member);
            if member == node {
                break;
            }
        }
        group.sort_unstable();
        self.found.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Flags = [(&'static str, &'static [&'static str])];

    fn select(flags: &Flags, keys: Option<&[&str]>) -> Vec<String> {
        let texts: Vec<(Text, Vec<Text>)> = flags
            .iter()
            .map(|(key, deps)| (Text::from(*key), deps.iter().map(|dep| Text::from(*dep)).collect()))
            .collect();
        let rows: Vec<_> = texts.iter().map(|(key, deps)| (key, key, deps.as_slice())).collect();
        let keys: Option<Vec<Text>> = keys.map(|keys| keys.iter().map(|key| Text::from(*key)).collect());
        let order = Order::new(&rows).select(keys.as_deref());
        order.into_iter().map(|index| flags[index as usize].0.to_owned()).collect()
    }

    #[test]
    fn parents_come_first_and_each_flag_once() {
        let diamond: &Flags = &[("a", &["b", "c"]), ("b", &["d"]), ("c", &[]), ("d", &[])];
        assert_eq!(select(diamond, None), ["d", "b", "c", "a"]);
        let chain: &Flags = &[("a", &["b"]), ("b", &[]), ("c", &[])];
        assert_eq!(select(chain, Some(&["c", "b", "a"])), ["c", "b", "a"]);
        assert_eq!(select(chain, Some(&["a"])), ["b", "a"]);
        assert_eq!(select(&[("a", &[])], Some(&["a", "a"])), ["a"]);
        assert_eq!(select(&[("a", &["missing"])], None), ["a"]);
    }

    #[test]
    fn a_long_chain_does_not_overflow() {
        let keys: Vec<Text> = (0..100_000).map(|i| Text::from(format!("k{i}"))).collect();
        let deps: Vec<Vec<Text>> =
            (0..100_000).map(|i| keys.get(i + 1).cloned().into_iter().collect()).collect();
        let rows: Vec<_> = keys.iter().zip(&deps).map(|(key, deps)| (key, key, deps.as_slice())).collect();
        let order = Order::new(&rows);
        assert!(order.cycles().is_empty());
        assert_eq!(order.select(None)[0], 99_999);
    }

    #[test]
    fn cycles_are_found_whole() {
        let flags: [(Text, Vec<Text>); 5] = [
            (Text::from("a"), vec![Text::from("b")]),
            (Text::from("b"), vec![Text::from("c")]),
            (Text::from("c"), vec![Text::from("a")]),
            (Text::from("d"), vec![Text::from("a")]),
            (Text::from("e"), vec![Text::from("e")]),
        ];
        let rows: Vec<_> = flags.iter().map(|(key, deps)| (key, key, deps.as_slice())).collect();
        assert_eq!(Order::new(&rows).cycles(), [vec![0, 1, 2], vec![4]]);
    }
}
