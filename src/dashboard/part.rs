//! Pieces that pages are put together from: tables, fields, dialogs, tags.
//!
//! Each is right for keyboard and screen reader once, here: labels, hints and errors belong to their
//! fields, tables keep their roles when a phone shows their rows as cards, dialogs have names.

use std::borrow::Cow;

use maud::{Markup, html};

/// A row of a table.
pub struct Row {
    /// For links and scripts.
    pub id: String,
    /// One cell per column.
    pub cells: Vec<Markup>,
}

/// A table. The roles are spelled out because a narrow card's layout would take them away; a column
/// without a title holds buttons. With many columns it needs more room to be a table.
pub fn table(caption: &str, columns: &[&str], rows: &[Row]) -> Markup {
    table_of(columns.len() >= MANY, caption, columns, rows)
}

/// The same with values so short that it is a table in little room too.
pub fn narrow_table(caption: &str, columns: &[&str], rows: &[Row]) -> Markup {
    table_of(false, caption, columns, rows)
}

fn table_of(is_wide: bool, caption: &str, columns: &[&str], rows: &[Row]) -> Markup {
    html! {
        div.rows { table.stacked.wide[is_wide] role="table" {
            caption.visually-hidden { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th role="columnheader" scope="col" {
                            @if column.is_empty() { span.visually-hidden { "Actions" } } @else { (column) }
                        }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" id=(row.id) {
                        @for (cell, column) in row.cells.iter().zip(columns) {
                            td role="cell" data-label=(column) { div { (cell) } }
                        }
                    }
                }
            }
        } }
    }
}

/// Columns from which a table is a wide one.
const MANY: usize = 5;

/// A name, or other words of somebody's choice, in as much of one line as there is; the rest is its title.
pub fn clip(text: &str) -> Markup {
    html! { span.clip title=(text) dir="auto" { (text) } }
}

/// The same as a link.
pub fn clip_link(href: &str, text: &str) -> Markup {
    html! { a.clip href=(href) title=(text) dir="auto" { (text) } }
}

/// The number that a page is about, smaller where it is long.
pub fn figure(number: &str) -> Markup {
    html! { p.figure.long[number.chars().count() > 10] title=(number) { (number) } }
}

/// A number, address or the like, which stays in one line.
pub fn unbroken(text: &str) -> Markup {
    html! { span.unbroken title=(text) { (text) } }
}

/// An id, without its middle, and a button that copies all of it.
pub fn id(id: &str) -> Markup {
    html! { span.id { code title=(id) { (short_id(id)) } (copy_id(id)) } }
}

/// The button alone.
pub fn copy_id(id: &str) -> Markup {
    html! {
        button.copy-id type="button" data-copies-text=(id) aria-label={ "Copy " (short_id(id)) } title="Copy" {
            svg viewBox="0 0 16 16" aria-hidden="true" {
                rect x="5.5" y="5.5" width="8" height="8.5" rx="1.5" {}
                path d="M3 10.5V4A1.5 1.5 0 0 1 4.5 2.5H10" {}
            }
        }
    }
}

/// `call_0193a1…9f2c41` for a long id; a short one as it is.
pub fn short_id(id: &str) -> Cow<'_, str> {
    const SHOWN: usize = 18;
    let chars = id.chars().count();
    if chars <= SHOWN {
        return Cow::Borrowed(id);
    }
    let begin = id.chars().take(SHOWN / 2);
    let end = id.chars().skip(chars - SHOWN / 3);
    Cow::Owned(begin.chain(['…']).chain(end).collect())
}

/// How a field is sent; the names are the script's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// Left out when empty.
    Optional,
    /// `null` when empty.
    Nullable,
    /// A number; left out when empty.
    Number,
    /// A number; `null` when empty.
    NullableNumber,
    /// As it is; when empty, the whole object that it is a field of is `null`.
    NullObject,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Optional => "optional",
            Self::Nullable => "nullable",
            Self::Number => "number",
            Self::NullableNumber => "nullable-number",
            Self::NullObject => "null-object",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::NullableNumber)
    }
}

/// A field with its label, hint and the place for its error.
pub struct Field<'a> {
    /// Unique on the page.
    pub id: &'a str,
    /// As the API calls it; `object.field` for a field of an object.
    pub name: &'a str,
    /// As people call it.
    pub label: &'a str,
    /// What it is for, if that is not plain.
    pub hint: &'a str,
    /// What it holds.
    pub value: &'a str,
    /// How it is sent.
    pub kind: Kind,
    /// Whether it may not be empty.
    pub required: bool,
    /// Lines; more than one makes it a text area.
    pub lines: u8,
    /// `type`, such as `email`; empty: by the kind.
    pub input: &'a str,
    /// `autocomplete`
    pub autocomplete: &'a str,
}

impl Default for Field<'_> {
    fn default() -> Self {
        Self {
            id: "",
            name: "",
            label: "",
            hint: "",
            value: "",
            kind: Kind::Text,
            required: false,
            lines: 1,
            input: "",
            autocomplete: "off",
        }
    }
}

impl Field<'_> {
    /// The field.
    pub fn render(&self) -> Markup {
        let (hint_id, wrong_id) = (format!("{}-hint", self.id), format!("{}-wrong", self.id));
        let described =
            if self.hint.is_empty() { wrong_id.clone() } else { format!("{hint_id} {wrong_id}") };
        let number = self.kind.is_number();
        let input = match self.input {
            "" if number => "number",
            "" => "text",
            input => input,
        };
        html! {
            div.field {
                label for=(self.id) { (self.label) }
                @if self.lines > 1 {
                    textarea id=(self.id) name=(self.name) rows=(self.lines) data-kind=(self.kind.as_str())
                        aria-describedby=(described) required[self.required] autocomplete=(self.autocomplete) { (self.value) }
                } @else {
                    input id=(self.id) name=(self.name) type=(input) value=(self.value)
                        data-kind=(self.kind.as_str()) aria-describedby=(described)
                        required[self.required] step=[number.then_some("any")] autocomplete=(self.autocomplete);
                }
                @if !self.hint.is_empty() { p.hint id=(hint_id) { (self.hint) } }
                p.wrong id=(wrong_id) {}
            }
        }
    }
}

/// A choice between a few things, with its label, hint and the place for its error.
pub struct Choice<'a> {
    /// Unique on the page.
    pub id: &'a str,
    /// As the API calls it; `object.field` for a field of an object.
    pub name: &'a str,
    /// As people call it.
    pub label: &'a str,
    /// What it is for, if that is not plain.
    pub hint: &'a str,
    /// What there is to choose from: as the API calls it, and as people do.
    pub options: &'a [(&'a str, &'a str)],
    /// What is chosen, as the API calls it.
    pub chosen: &'a str,
    /// How it is sent.
    pub kind: Kind,
}

impl Default for Choice<'_> {
    fn default() -> Self {
        let kind = Kind::Text;
        Self { id: "", name: "", label: "", hint: "", options: &[], chosen: "", kind }
    }
}

impl Choice<'_> {
    /// The choice.
    pub fn render(&self) -> Markup {
        let (hint_id, wrong_id) = (format!("{}-hint", self.id), format!("{}-wrong", self.id));
        let described =
            if self.hint.is_empty() { wrong_id.clone() } else { format!("{hint_id} {wrong_id}") };
        html! {
            div.field {
                label for=(self.id) { (self.label) }
                select id=(self.id) name=(self.name) data-kind=(self.kind.as_str())
                    aria-describedby=(described) autocomplete="off" {
                    @for (value, words) in self.options {
                        option value=(value) selected[*value == self.chosen] { (words) }
                    }
                }
                @if !self.hint.is_empty() { p.hint id=(hint_id) { (self.hint) } }
                p.wrong id=(wrong_id) {}
            }
        }
    }
}

/// The place for what is wrong with a form as a whole.
pub fn form_wrong() -> Markup {
    html! { p.wrong data-form-wrong role="alert" {} }
}

/// A dialog with its name as heading.
pub fn dialog(id: &str, title: &str, content: &Markup) -> Markup {
    let heading = format!("{id}-title");
    html! {
        dialog.narrow id=(id) aria-labelledby=(heading) {
            h2 id=(heading) { (title) }
            (content)
        }
    }
}

/// "Cancel" and the button that does it.
pub fn dialog_buttons(verb: &str, class: &str) -> Markup {
    html! {
        div.actions {
            button type="button" data-closes { "Cancel" }
            button class=(class) type="submit" { (verb) }
        }
    }
}

/// A short word on a coloured ground.
pub fn tag(class: &str, text: &str) -> Markup {
    html! { span class={ "tag " (class) } { (text) } }
}

/// The head of a page: where it is, its name, what can be done.
pub fn top(crumb: Option<(&str, &str)>, title: &str, actions: &Markup) -> Markup {
    html! {
        div.top {
            div {
                @if let Some((path, name)) = crumb { p.crumb { (clip_link(path, name)) } }
                h1 title=(title) dir="auto" { (title) }
            }
            div.actions { (actions) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_names_its_hint_and_its_error() {
        let field = Field { id: "f", name: "name", label: "Name", hint: "h", ..Field::default() };
        let html = field.render().into_string();
        assert!(html.contains("<label for=\"f\">Name</label>"));
        assert!(html.contains("aria-describedby=\"f-hint f-wrong\""));
        assert!(html.contains("id=\"f-wrong\""));
    }

    #[test]
    fn every_cell_knows_its_column() {
        let rows = [Row { id: "r".to_owned(), cells: vec![html! { "<" }, html! { "b" }] }];
        let html = table("Things", &["One", ""], &rows).into_string();
        assert!(html.contains("<td role=\"cell\" data-label=\"One\"><div>"));
        assert_eq!(html.matches("role=\"row\"").count(), 2);
    }

    #[test]
    fn an_id_loses_its_middle_and_is_copied_whole() {
        let whole = format!("call_{}", "0123456789abcdef".repeat(2));
        assert_eq!(short_id(&whole), "call_0123…abcdef");
        assert_eq!(short_id("CA123"), "CA123");
        assert_eq!(short_id("ééééééééééééééééééé"), "ééééééééé…éééééé");
        let html = id(&whole).into_string();
        assert!(html.contains(&format!("data-copies-text=\"{whole}\"")), "{html}");
    }
}
