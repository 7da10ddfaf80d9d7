// What is wrong with a page as it is shown in a window of this width: runs within the page.
const [width] = arguments;
const faults = [];
const told = (element) => element.outerHTML.slice(0, 160);
if (document.documentElement.scrollWidth > width) faults.push(`the page scrolls: ${document.documentElement.scrollWidth}`);

// What may be wider than its place, and says all of it elsewhere: a name with a title, a scrolled text.
const isFolded = (head) => head && getComputedStyle(head).position === "absolute";
const isHidden = (element) => !element.checkVisibility() || isFolded(element.closest("thead"))
    || element.closest(".visually-hidden, .skip, dialog:not([open])");
const scrolls = (element) => element.closest(".prose pre, .prose .rows");
const ellipsed = (element) => {
    const at = element.closest(".clip, .unbroken, .figure, h1, dt");
    return at && getComputedStyle(at).textOverflow === "ellipsis" && at.title.trim() === at.textContent.trim();
};
for (const element of document.body.querySelectorAll("*")) {
    if (isHidden(element) || scrolls(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 0.5 || box.left < -0.5) && !ellipsed(element.parentElement))
        faults.push(`sticks out: ${told(element)}`);
    if (element instanceof SVGElement || element.matches("select, option, input, textarea, meter")) continue;
    if (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && !ellipsed(element))
        faults.push(`wider than its box (${element.scrollWidth} > ${element.clientWidth}): ${told(element)}`);
}

// Lines that a range of text is in.
const lines = (range) => {
    const tops = Array.from(range.getClientRects(), (box) => box.bottom).sort((a, b) => a - b);
    return tops.filter((top, i) => i === 0 || top - tops[i - 1] > 6).length;
};
for (const element of document.querySelectorAll("main time, main .unbroken, main .id code, main .tag, main button, main a.button")) {
    if (isHidden(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const unheard = element.querySelector(".visually-hidden");
    if (unheard) range.setEndBefore(unheard);
    if (lines(range) > 1) faults.push(`in several lines: ${told(element)}`);
}
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const parent = text.parentElement;
    if (isHidden(parent) || scrolls(parent) || parent.closest("script, textarea, select, svg, template, .prose code")) continue;
    for (const word of text.data.matchAll(/\S+/g)) {
        // A compound may be broken after its hyphen or slash, a number never.
        const pieces = /\d/.test(word[0]) ? [word[0]] : word[0].split(/(?<=[-–—/])/);
        let at = word.index;
        for (const piece of pieces) {
            const range = document.createRange();
            range.setStart(text, at);
            range.setEnd(text, at += piece.length);
            if (lines(range) > 1) faults.push(`broken: ${piece} in ${told(parent)}`);
        }
    }
}

// A choice shows all that is chosen, unless that is a name.
const pen = document.createElement("canvas").getContext("2d");
for (const select of document.querySelectorAll("main select:not(#filter-agent)")) {
    if (isHidden(select) || !select.selectedOptions.length) continue;
    const style = getComputedStyle(select);
    pen.font = style.font;
    const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 20;
    const needed = pen.measureText(select.selectedOptions[0].textContent).width;
    if (needed > room) faults.push(`cut (${needed} > ${room}): ${select.selectedOptions[0].textContent}`);
}

// The letters of a drawing are inside it, and not on top of each other.
for (const drawing of document.querySelectorAll("main svg[role=img]")) {
    const boxes = Array.from(drawing.querySelectorAll("text"), (text) => [text.textContent, text.getBBox()]);
    for (const [words, box] of boxes)
        if (box.x < -0.5 || box.x + box.width > drawing.viewBox.baseVal.width + 0.5) faults.push(`cut in its drawing: ${words}`);
    for (const [i, [one, a]] of boxes.entries())
        for (const [two, b] of boxes.slice(i + 1))
            if (a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height * 0.7 && b.y < a.y + a.height * 0.7)
                faults.push(`on top of each other: ${one} and ${two}`);
}
return faults;
