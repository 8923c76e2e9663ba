//! The book as it is rendered: without a warning, whole, and without a network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use graders::lesson::workbook;

use super::check::{Check, Tool, told};
use super::rendered_page::RenderedPage;
use super::source_page::{SOURCES, line_of};
use crate::copied::said;

/// The rendered book, without the page that is all pages in one.
pub struct Rendered {
    pub folder: PathBuf,
    pages: BTreeMap<String, RenderedPage>,
    /// The style sheets, below the folder, and what they say.
    styles: Vec<(String, String)>,
    /// What mdBook said.
    words: String,
}

static RENDERED: LazyLock<Result<Rendered, String>> = LazyLock::new(render);

type Faults = fn(&Rendered) -> Vec<String>;

pub fn checks() -> Vec<Check> {
    let checks: [(&str, Faults); 7] = [
        ("book-builds-without-a-warning", warnings),
        ("book-has-no-directive-left", left_over),
        ("book-links-lead-somewhere", dead_links),
        ("book-links-outside-are-of-the-web", strange_links),
        ("book-loads-what-is-there", not_there),
        ("book-loads-nothing-from-outside", from_outside),
        ("book-pictures-have-words", without_words),
    ];
    let check = |(name, faults): (&str, Faults)| {
        Check::new(name, move || told(faults(rendered()?))).needs(Tool::Mdbook)
    };
    checks.into_iter().map(check).collect()
}

/// The rendered book; it is built once.
pub fn rendered() -> Result<&'static Rendered, String> {
    RENDERED.as_ref().map_err(String::clone)
}

fn render() -> Result<Rendered, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book");
    let output = Command::new("mdbook")
        .current_dir(workbook())
        .args(["build", "book", "--dest-dir"])
        .arg(&folder)
        .output()
        .map_err(said)?;
    let words = [output.stdout, output.stderr];
    let words = words
        .map(|words| String::from_utf8_lossy(&words).into_owned())
        .concat();
    if !output.status.success() {
        return Err(format!(
            "the book does not build; mend what mdBook says:\n{words}"
        ));
    }
    let mut files = Vec::new();
    collect(&folder, &folder, &mut files)?;
    let mut rendered = Rendered {
        folder,
        pages: BTreeMap::new(),
        styles: Vec::new(),
        words,
    };
    for file in files {
        let text = || fs::read_to_string(rendered.folder.join(&file)).map_err(said);
        if file.ends_with(".css") {
            rendered.styles.push((file.clone(), text()?));
        } else if file.ends_with(".html") && file != "print.html" {
            let page = RenderedPage::read(file.clone(), &text()?);
            rendered.pages.insert(file, page);
        }
    }
    Ok(rendered)
}

fn collect(folder: &Path, root: &Path, files: &mut Vec<String>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(said)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, root, files)?;
        } else {
            let file = path.strip_prefix(root).unwrap_or(&path);
            files.push(file.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

fn warnings(rendered: &Rendered) -> Vec<String> {
    let lines = rendered.words.lines();
    let warnings = lines.filter(|line| line.contains("WARN") || line.contains("ERROR"));
    warnings
        .map(|line| format!("mdBook says, and it must be mended: {}", line.trim()))
        .collect()
}

/// A sentence for each fault of a kind that pages have.
fn each<'a>(
    rendered: &'a Rendered,
    found: impl Fn(&'a RenderedPage) -> Vec<(&'a str, String)>,
) -> Vec<String> {
    let pages = rendered.pages.values();
    let faults = pages.flat_map(|page| {
        let faults = found(page).into_iter();
        faults.map(|(part, fault)| format!("{}: {fault}", place(page, part)))
    });
    // mdBook writes a picture twice, small and to be looked at closely.
    let mut faults: Vec<String> = faults.collect();
    faults.dedup();
    faults
}

fn left_over(rendered: &Rendered) -> Vec<String> {
    each(rendered, |page| {
        let found = page.left_over.iter().map(|words| {
            let fault =
                format!("mdBook has left `{words}` as it was: write a directive that it knows");
            (words.as_str(), fault)
        });
        found.collect()
    })
}

fn dead_links(rendered: &Rendered) -> Vec<String> {
    each(rendered, |page| {
        let links = page.links.iter().filter(|link| !leads_outside(link));
        let dead = links.filter_map(|link| {
            let reason = rendered.follow(page, link).err()?;
            let fault = format!("the link `{link}` leads nowhere: {reason}");
            Some((link.as_str(), fault))
        });
        dead.collect()
    })
}

fn strange_links(rendered: &Rendered) -> Vec<String> {
    each(rendered, |page| {
        let links = page.links.iter().filter(|link| leads_outside(link));
        let strange = links.filter(|link| !is_of_the_web(link)).map(|link| {
            let fault = format!(
                "the link `{link}` is no https or http address of a host with a name: name a page \
                 that everybody can open"
            );
            (link.as_str(), fault)
        });
        strange.collect()
    })
}

fn not_there(rendered: &Rendered) -> Vec<String> {
    each(rendered, |page| {
        let files = page.loads.iter().filter(|file| !leads_outside(file));
        let missing = files.filter_map(|file| {
            let reason = rendered.follow(page, file).err()?;
            Some((
                file.as_str(),
                format!("`{file}` cannot be loaded: {reason}"),
            ))
        });
        missing.collect()
    })
}

fn from_outside(rendered: &Rendered) -> Vec<String> {
    let mut faults = each(rendered, |page| {
        let outside = page.loads.iter().filter(|file| leads_outside(file));
        let outside = outside.filter(|file| !file.starts_with("data:")).map(|file| {
            let fault = format!(
                "the page loads `{file}`, and must work without a network: put the file into {SOURCES}"
            );
            (file.as_str(), fault)
        });
        outside.collect()
    });
    for (file, style) in &rendered.styles {
        // What is imported stands behind url( or in quotes.
        let urls = style.split("url(").skip(1);
        let imported = style.split("@import").skip(1).map(str::trim_start);
        let imported = imported.filter(|rest| !rest.starts_with("url("));
        for address in urls.chain(imported) {
            let address = address.trim_start().trim_start_matches(['"', '\'']);
            if leads_outside(address) && !address.starts_with("data:") {
                let end = address.find(['"', '\'', ')', ';']).unwrap_or(address.len());
                faults.push(format!(
                    "{file}: the style sheet loads `{}`, and must work without a network: put the \
                     file into the book",
                    &address[..end]
                ));
            }
        }
    }
    faults
}

fn without_words(rendered: &Rendered) -> Vec<String> {
    each(rendered, |page| {
        let silent = page.without_words.iter().map(|tag| {
            let fault = format!(
                "{tag} says nothing to somebody who cannot see it: give an img an alt, an svg an \
                 aria-label, an iframe a title"
            );
            (tag.as_str(), fault)
        });
        silent.collect()
    })
}

/// Whether an address has a scheme or a host of its own.
fn leads_outside(address: &str) -> bool {
    let scheme = address.split(['/', '?', '#']).next().unwrap_or_default();
    address.starts_with("//") || scheme.contains(':')
}

/// Whether an address is of the web, at a host with a name that everybody can look up.
fn is_of_the_web(address: &str) -> bool {
    let rest = address
        .strip_prefix("https://")
        .or(address.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#', ':']).next());
    host.is_some_and(|host| {
        let (name, top) = host.rsplit_once('.').unwrap_or_default();
        !name.is_empty() && top.len() > 1 && top.chars().all(char::is_alphabetic)
    })
}

impl Rendered {
    /// Follows a link from a page to a file, and to an id in it.
    fn follow(&self, page: &RenderedPage, link: &str) -> Result<(), String> {
        let (path, id) = link.split_once('#').unwrap_or((link, ""));
        let path = path.split('?').next().unwrap_or_default();
        let file = match path {
            "" => page.file.clone(),
            path => resolve(&page.file, path)
                .ok_or("it leads out of the book: name a file of the book")?,
        };
        if !self.folder.join(&file).is_file() {
            return Err(format!("the book has no {file}: name a file that it has"));
        }
        let id = decoded(id);
        match self.pages.get(&file) {
            Some(page) if !id.is_empty() && !page.ids.contains(&id) => {
                Err(format!("{file} has no id `{id}`: name one that it has"))
            }
            _ => Ok(()),
        }
    }
}

/// The file that a path means in a page; none if it lies outside the book.
fn resolve(page: &str, path: &str) -> Option<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// An id in which `%ED%95%9C` stands for a letter.
fn decoded(id: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = id.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where a part of a rendered page was written: the source with its line, if it stands there.
fn place(page: &RenderedPage, part: &str) -> String {
    let stem = page.file.trim_end_matches(".html");
    let source = format!("{SOURCES}/{stem}.md");
    let Ok(text) = fs::read_to_string(workbook().join(&source)) else {
        return page.file.clone();
    };
    let written = part.replace(".html", ".md");
    let of_a_tag = |name: &str| {
        part.split_once(name)?
            .1
            .split('"')
            .next()
            .map(str::to_string)
    };
    let value = [" src=\"", " aria-label=\""].into_iter().find_map(of_a_tag);
    let candidates = [Some(written), Some(part.to_string()), value];
    let mut candidates = candidates.into_iter().flatten();
    match candidates.find_map(|words| text.find(&words)) {
        Some(offset) => format!("{source}:{}", line_of(&text, offset)),
        None => source,
    }
}
