// The server's stream of what happens to calls, for one page or for all pages of a browser. It is open
// while somebody listens, says when it is lost, and comes back by itself: at once after a lost connection,
// later and later after a refusal, and not at all where another page has got its seat. It knows no page.

const SOON = 5_000;
const LATE = 60_000;
// As many as the server looks after.
const MOST_SHOWN = 16;

export class Stream {
  constructor() {
    // By whatever names a listener: what it wishes ({ user, call }) and how it is told.
    this.listeners = new Map();
    this.states = new Map();
    this.source = null;
    this.wanted = "";
    this.pause = SOON;
    this.later = 0;
  }

  join(name, wish, tell) {
    this.listeners.set(name, { wish, tell });
    const before = this.source;
    this.follow();
    // Who comes to a stream that is open already learns how things stand, and asks for its page again.
    if (this.source && this.source === before && this.isOpen()) {
      tell({ name: "open" });
      tell({ name: "hello", live: Array.from(this.states, ([call_id, state]) => ({ call_id, state })) });
      tell({ name: "missed" });
    }
  }

  leave(name) {
    if (this.listeners.delete(name)) this.follow();
  }

  isOpen() {
    return this.source?.readyState === EventSource.OPEN;
  }

  // Opens the stream that the listeners need now, if it is another one.
  follow() {
    const wishes = Array.from(this.listeners.values(), (listener) => listener.wish);
    if (wishes.length === 0) return this.close();
    const user = wishes.at(-1).user;
    const shown = Array.from(new Set(wishes.map((wish) => wish.call).filter(Boolean))).sort();
    const query = shown.slice(0, MOST_SHOWN).map((call) => `call=${encodeURIComponent(call)}`);
    const address = ["/events", query.join("&")].filter(Boolean).join("?");
    // Another user may have signed in: what is open is the stream of whoever was there before.
    const wanted = `${user} ${address}`;
    if (this.source && this.wanted === wanted) return;
    this.close();
    this.wanted = wanted;
    this.open(address);
  }

  open(address) {
    const source = new EventSource(address);
    this.source = source;
    const on = (name, work) => source.addEventListener(name, (event) => {
      if (this.source === source) work(event);
    });
    on("open", () => {
      this.pause = SOON;
      this.tell({ name: "open" });
    });
    on("hello", (event) => {
      const { live } = JSON.parse(event.data);
      this.states = new Map(live.map((call) => [call.call_id, call.state]));
      this.tell({ name: "hello", live });
    });
    on("call", (event) => {
      const news = JSON.parse(event.data);
      this.keep(news);
      this.tell({ name: "call", news });
    });
    on("missed", () => this.tell({ name: "missed" }));
    on("written", (event) => this.tell({ name: "written", call: JSON.parse(event.data).call_id }));
    on("crowded", () => {
      // Whoever comes next, or comes back, tries again.
      this.close();
      this.tell({ name: "crowded" });
    });
    on("error", () => {
      if (source.readyState !== EventSource.CLOSED) return this.tell({ name: "lost" });
      this.close();
      this.tell({ name: "refused" });
      this.later = setTimeout(() => this.follow(), this.pause);
      this.pause = Math.min(LATE, this.pause * 2);
    });
  }

  close() {
    clearTimeout(this.later);
    this.source?.close();
    this.source = null;
    this.states.clear();
  }

  keep(news) {
    if (news.kind === "state") this.states.set(news.call_id, news.state);
    if (news.kind === "settled") this.states.delete(news.call_id);
    if (news.kind === "ended") this.states.set(news.call_id, "ended");
  }

  tell(message) {
    for (const listener of this.listeners.values()) listener.tell(message);
  }
}
