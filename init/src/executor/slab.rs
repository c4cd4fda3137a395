//! A table whose places have numbers that are used again: what tokens name things by.

/// Things, each at a place that it keeps.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The place that the next thing will have, if it is below `bound`.
    pub fn next_place(&self, bound: usize) -> Option<u32> {
        let place = self.free.last().copied().or_else(|| u32::try_from(self.places.len()).ok())?;
        (usize::try_from(place).ok()? < bound).then_some(place)
    }

    /// Puts a thing in, and says where.
    pub fn add(&mut self, thing: T) -> u32 {
        if let Some(place) = self.free.pop()
            && let Some(slot) = self.places.get_mut(place as usize)
        {
            *slot = Some(thing);
            return place;
        }
        self.places.push(Some(thing));
        u32::try_from(self.places.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Puts a thing in at a place of its own; `false` if another is there.
    pub fn put(&mut self, place: u32, thing: T) -> bool {
        while self.places.len() <= place as usize {
            self.free.extend(u32::try_from(self.places.len()));
            self.places.push(None);
        }
        let Some(at) = self.free.iter().position(|free| *free == place) else { return false };
        self.free.swap_remove(at);
        if let Some(slot) = self.places.get_mut(place as usize) {
            *slot = Some(thing);
        }
        true
    }

    /// The thing at a place.
    pub fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    /// The thing at a place, to be changed.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// Takes the thing at a place out.
    pub fn remove(&mut self, place: u32) -> Option<T> {
        let thing = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(thing)
    }

    /// All things, with their places.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.places).filter_map(|(place, thing)| Some((place, thing.as_ref()?)))
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_and_then_used_again() {
        let mut slab = Slab::default();
        assert_eq!((slab.add("a"), slab.add("b"), slab.next_place(2)), (0, 1, None));
        assert_eq!((slab.remove(0), slab.remove(0), slab.get(1)), (Some("a"), None, Some(&"b")));
        assert_eq!((slab.next_place(2), slab.add("c"), slab.len()), (Some(0), 0, 2));
        assert_eq!(
            (slab.put(5, "f"), slab.put(5, "g"), slab.len(), slab.get(5)),
            (true, false, 3, Some(&"f"))
        );
        assert_eq!([slab.add("x"), slab.add("y"), slab.add("z"), slab.add("g")], [4, 3, 2, 6]);
    }
}
