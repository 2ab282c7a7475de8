// SPDX-License-Identifier: MIT
//! What Rust does to a stack: generics, trait objects, closures, iterators, formatting, a panic that is caught. The same
//! calls in every run. `walk_rust [ROUNDS]`
use std::collections::BTreeMap;
use std::fmt::Write;

trait Shape {
    fn name(&self, depth: u32) -> String;
}

struct Square;
struct Circle(Box<dyn Shape>);

impl Shape for Square {
    fn name(&self, depth: u32) -> String {
        if depth == 0 { "square".to_string() } else { format!("{}-{}", self.name(depth - 1), depth) }
    }
}

impl Shape for Circle {
    fn name(&self, depth: u32) -> String {
        format!("{} in a circle", self.0.name(depth))
    }
}

fn tree(depth: u32) -> Vec<Box<dyn Fn(u32) -> String>> {
    let mut v: Vec<Box<dyn Fn(u32) -> String>> = if depth > 0 { tree(depth - 1) } else { Vec::new() };
    let label = "leaf".repeat(depth as usize + 1);
    v.push(Box::new(move |n| format!("{label}{n:?}")));
    v
}

fn failing(depth: u32) -> String {
    let here = format!("{depth} levels to go");
    if depth == 0 {
        std::panic::panic_any(here);
    }
    failing(depth - 1) + &here
}

fn round(i: u32) -> usize {
    let mut by_name: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for k in 0..12 {
        let shape: Box<dyn Shape> = if k % 2 == 0 { Box::new(Square) } else { Box::new(Circle(Box::new(Square))) };
        by_name.entry(shape.name(k % 5)).or_default().push(i + k);
    }
    let mut words: Vec<String> = tree(10).iter().flat_map(|f| (0..4).map(move |n| f(n))).collect();
    words.sort_by_key(|w| w.chars().rev().collect::<String>());
    let mut text = String::new();
    for w in &words {
        write!(text, "{w:>20}|{:?}", w.as_bytes()).unwrap();
    }
    let caught = std::panic::catch_unwind(|| failing(4)).unwrap_err();
    text.len() + by_name.len() + caught.downcast_ref::<String>().map_or(0, |s| s.len())
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2);
    std::panic::set_hook(Box::new(|_| {}));
    let sum: usize = (0..rounds).map(round).sum();
    println!("truth sum={sum}");
}
