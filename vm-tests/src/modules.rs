//! Which modules a driver needs, and in which order: read from the modules themselves, so that neither `kmod`
//! nor `depmod` has to be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use crate::failure::{Doing, Failure, Result};

/// What stands before the names that a module depends on, in its section `.modinfo`.
const DEPENDS: &[u8] = b"\0depends=";

/// The files of the drivers and of all that they depend on, each after what it depends on.
pub fn in_order(modules: &BTreeMap<String, PathBuf>, drivers: &[&str]) -> Result<Vec<PathBuf>> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    // A module stands on the stack twice: first to be opened, then, under what it depends on, to be taken.
    let mut stack: Vec<(String, bool)> =
        drivers.iter().rev().map(|name| ((*name).to_owned(), false)).collect();
    while let Some((name, opened)) = stack.pop() {
        let Some(path) = modules.get(&name) else { continue };
        if opened {
            order.push(path.clone());
            continue;
        }
        if !seen.insert(name.clone()) {
            continue;
        }
        let bytes = fs::read(path).doing(path.display())?;
        let needs = depends(&bytes).ok_or_else(|| Failure(format!("{} is no module", path.display())))?;
        stack.push((name, true));
        stack.extend(needs.into_iter().rev().map(|need| (need, false)));
    }
    Ok(order)
}

/// The modules that a module's file says it depends on.
fn depends(module: &[u8]) -> Option<Vec<String>> {
    let at = module.windows(DEPENDS.len()).position(|window| window == DEPENDS)?;
    let rest = module.get(at.checked_add(DEPENDS.len())?..)?;
    let text = String::from_utf8_lossy(rest.split(|byte| *byte == 0).next()?).into_owned();
    Some(text.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_depends_on_stands_in_it() {
        let module = b"\x7fELF...\0license=GPL\0depends=virtio,virtio-ring\0name=virtio_pci\0";
        assert_eq!(depends(module).unwrap(), ["virtio", "virtio_ring"]);
        assert_eq!(depends(b"\x7fELF\0depends=\0").unwrap(), [""; 0]);
        assert_eq!(depends(b"no module"), None);
    }

    #[test]
    fn a_module_comes_after_what_it_depends_on() {
        let folder = crate::folder::Folder::new("modules").unwrap();
        let mut modules = BTreeMap::new();
        for (name, needs) in [("c", "b,a"), ("b", "a"), ("a", "")] {
            let path = folder.join(name);
            fs::write(&path, format!("ELF\0depends={needs}\0")).unwrap();
            modules.insert(name.to_owned(), path);
        }
        let order = in_order(&modules, &["c", "b", "built-in"]).unwrap();
        let names: Vec<_> = order.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
