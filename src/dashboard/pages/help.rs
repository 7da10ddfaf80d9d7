//! `/help/{page}`: the pages of `docs/providers`, out of the binary, for those who are signed in.
//!
//! They are written for readers of the repository; links among them lead to each other here, and links to
//! the rest of it are plain text.

use actix_web::web::Path;
use maud::{PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

use crate::dashboard::{
    answer::{Answer, Trouble, ok},
    layout::{self, Section},
    part,
    seen::Seen,
};

macro_rules! pages {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../docs/providers/", $name, ".md"))),)*]
    };
}

/// The page about all of them.
const ALL: &str = "README";

/// Every page there is, by its name.
const PAGES: [(&str, &str); 11] = pages! {
    "README" "asterisk" "exotel" "jambonz" "plivo" "signalwire" "smartflo" "telnyx" "twilio" "vobiz" "vonage"
};

/// One page.
pub async fn show(seen: Seen, name: Path<String>) -> Answer {
    let name = if *name == "providers" { ALL } else { name.as_str() };
    let page = PAGES.iter().find(|(known, _)| *known == name).ok_or(Trouble::NotFound)?;
    let (title, body) = rendered(page.1);
    let crumb = (name != ALL).then_some(("/help/providers", "Providers"));
    let content = html! {
        (part::top(crumb, &title, &html! {}))
        article.card.prose { (PreEscaped(body)) }
    };
    Ok(ok(layout::frame(&seen.frame, Section::Providers, &title, &[], &content)))
}

/// A page's title, and the rest of it as HTML. What is HTML in it is shown as text.
fn rendered(text: &str) -> (String, String) {
    let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut is_linked = true;
    let events =
        Parser::new_ext(rest, Options::ENABLE_TABLES).filter_map(move |event| match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                is_linked = is_linked_to(&dest_url);
                let dest_url = here(&dest_url);
                is_linked.then_some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
            }
            Event::End(TagEnd::Link) => is_linked.then_some(event),
            Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
            other => Some(other),
        });
    let mut html = String::new();
    push_html(&mut html, events);
    let html = html
        .replace("<table>", "<div class=\"rows\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>")
        .replace("<pre>", "<pre tabindex=\"0\">");
    (title.trim_start_matches('#').trim().to_owned(), html)
}

fn is_linked_to(url: &str) -> bool {
    url.strip_suffix(".md").is_some_and(|name| PAGES.iter().any(|(known, _)| *known == name))
}

fn here(url: &str) -> CowStr<'static> {
    format!("/help/{}", url.trim_end_matches(".md")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_docs_is_there() {
        let dir =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers")).unwrap();
        let mut names: Vec<String> = dir
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        assert_eq!(names, PAGES.map(|(name, _)| name));
    }

    #[test]
    fn links_lead_to_pages_that_are_here() {
        for (name, text) in PAGES {
            let (title, html) = rendered(text);
            assert!(
                !title.is_empty() && !html.contains(".md\"") && !html.contains("<script"),
                "{name}"
            );
            for link in html.split("<a href=\"").skip(1) {
                assert!(link.starts_with("/help/"), "{name}: {}", &link[..60.min(link.len())]);
            }
        }
        let (_, html) = rendered(PAGES[0].1);
        assert!(html.contains("<a href=\"/help/twilio\">Twilio</a>"), "{html}");
    }

    #[test]
    fn html_in_a_page_is_text() {
        let (title, html) =
            rendered("# A\n\n<script>x</script> <b>y</b>\n\n[z](https://e.example)\n");
        assert_eq!(title, "A");
        assert!(
            !html.contains("<script") && !html.contains("<b>") && !html.contains("<a "),
            "{html}"
        );
    }
}
