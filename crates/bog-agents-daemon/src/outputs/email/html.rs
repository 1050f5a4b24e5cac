//! Markdown as HTML for mail readers. Raw HTML is shown, not obeyed; only links to the web and to mailboxes lead anywhere; an
//! image is a link to it, so that nothing is fetched by whoever reads.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};

/// The HTML of a text in Markdown.
pub(super) fn of(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(markdown, options).map(harmless));
    html
}

/// A text in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn harmless(event: Event<'_>) -> Event<'_> {
    if let Event::Html(raw) | Event::InlineHtml(raw) = event {
        return Event::Text(raw);
    }
    if let Event::Start(Tag::Link { link_type, dest_url, title, id } | Tag::Image { link_type, dest_url, title, id }) =
        event
    {
        return Event::Start(Tag::Link { link_type, dest_url: to_the_web(link_type, dest_url), title, id });
    }
    if event == Event::End(TagEnd::Image) { Event::End(TagEnd::Link) } else { event }
}

/// An address in `<...>` gets its scheme when it is written.
fn to_the_web(kind: LinkType, url: CowStr<'_>) -> CowStr<'_> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let leads =
        kind == LinkType::Email || scheme.is_some_and(|scheme| ["http", "https", "mailto"].contains(&scheme.as_str()));
    if leads { url } else { CowStr::from("#") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_that_does_nothing() {
        let markdown = "# Report\n\n**3** of 4 & `a<b`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n\n\
             <script>alert(1)</script>\n\nInline <img src=x onerror=alert(1)>.\n\n[a](https://example.com/?a=1&b=2) \
             [b](javascript:alert(1)) [c](JavaScript:alert(1)) [d](data:text/html,x) [e](/relative) <me@example.com>\n\n\
             ![pixel](https://evil.example.com/p.png)\n\n[x\"onclick=alert(1)](https://e.com/\"onclick=\"x)\n";
        let html = of(markdown);
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript:"), "{html}");
        insta::assert_snapshot!(html);
    }
}
