// Who is in the picture, who has just left it, and whose curves are shown.
//
// A card stays where it is: new faces come below. A face that is gone keeps its card for a moment, shrinks to a line
// below the cards, and leaves the page later. While somebody reads, cards do not move.

import { Card } from "./card.js";
import { clock, element, make, setAttribute, setHidden, setIdentity, setText } from "./dom.js";
import { NO_ID } from "./message.js";

const CHOSEN_UNASKED = 4; // curves
const KEPT_S = 2; // a face that comes back within this time has lost nothing
const LINE_S = 30;
const UNSURE_S = 0.5; // after the last doubtful pose, so that the mark does not flicker
const READING_MS = 3000; // after the last movement
const FINE_HEADS = 6; // more are drawn with half the pixels
const HEAD_PIXELS = 320; // some three times what the style gives it, which smooths its edges
const GLIDE_MS = 200;

export class People {
  #people = new Map(); // key -> {id, index, label, color, chosen, asked, seen_s, seen_at_s, doubted_s, card, line}
  #present = [];
  #followed = false; // faces are tracked: some face had an identity
  #headParts;
  #onChoice;
  #observer;
  #readUntil_ms = 0;

  constructor(headParts, onChoice) {
    this.#headParts = headParts;
    this.#onChoice = onChoice;
    this.#observer = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) target.card.visible = isIntersecting;
    });
    const note = () => (this.#readUntil_ms = performance.now() + READING_MS);
    for (const kind of ["pointermove", "pointerdown", "touchmove", "wheel", "scroll", "keydown"]) {
      element("people").addEventListener(kind, note, { passive: true });
    }
    addEventListener("scroll", note, { passive: true });
  }

  get followed() {
    return this.#followed;
  }

  // Those whose curves are shown, in the order of the page.
  get chosen() {
    return [...this.#people.values()].filter(({ chosen }) => chosen);
  }

  // After a restart of the program, its face 1 may be another person.
  clear() {
    for (const person of this.#people.values()) this.#remove(person);
    this.#followed = false;
  }

  // With tracking, a face without an identity is new or of low score; it is shown in the picture only.
  onlyFollowed(faces) {
    this.#followed ||= faces.some(({ id }) => id !== NO_ID);
    if (!this.#followed) return faces;
    for (const person of this.#people.values()) if (person.id === NO_ID) this.#remove(person);
    return faces.filter(({ id }) => id !== NO_ID);
  }

  // view: see page.js
  show(message, view) {
    const { faces, published_s, time_s } = message;
    this.#present = faces;
    for (const face of [...faces].sort((a, b) => a.index - b.index)) {
      const person = this.#people.get(face.key) ?? this.#add(face);
      Object.assign(person, { seen_s: published_s, seen_at_s: time_s });
      if (face.doubtful) person.doubted_s = published_s;
      face.unsure = published_s - person.doubted_s < UNSURE_S;
      if (person.line !== null) this.#bringBack(person, face);
    }
    this.#chooseUnasked();
    this.#letGo(published_s);
    this.draw(view);
    this.#count();
  }

  draw(view) {
    const pixels = this.#present.length > FINE_HEADS ? HEAD_PIXELS / 2 : HEAD_PIXELS;
    for (const face of this.#present) this.#people.get(face.key).card.fill(face, { ...view, pixels });
    for (const person of this.#people.values()) person.card.chosen = person.chosen;
  }

  #add(face) {
    const { id, index, key, color, label } = face;
    const person = { id, index, key, color, label, chosen: false, asked: false, line: null };
    person.doubted_s = -Infinity;
    this.#people.set(key, person);
    this.#giveCard(person, face);
    return person;
  }

  #giveCard(person, face) {
    person.card = new Card(face, this.#headParts, this.#observer);
    person.card.name.addEventListener("click", () => {
      person.chosen = !person.chosen;
      person.asked = true;
      person.card.chosen = person.chosen;
      this.#onChoice();
    });
    element("cards").append(person.card.node);
  }

  #bringBack(person, face) {
    person.line.remove();
    person.line = null;
    this.#giveCard(person, face);
  }

  #letGo(now_s) {
    const reading = performance.now() < this.#readUntil_ms;
    const leaving = [];
    for (const person of this.#people.values()) {
      const gone_s = now_s - person.seen_s;
      if (gone_s === 0) continue;
      if (person.line === null) {
        person.card.away(gone_s);
        if (gone_s > KEPT_S && !reading) leaving.push(person);
      } else if (gone_s > LINE_S) this.#remove(person);
      else setText(person.line.querySelector("[data-gone]"), `gone ${Math.floor(gone_s)} s`);
    }
    if (leaving.length > 0) glide(element("cards"), () => leaving.forEach((person) => this.#shrink(person, now_s)));
    setHidden(element("left"), element("gone").childElementCount === 0);
  }

  #shrink(person, now_s) {
    const gone_s = now_s - person.seen_s;
    this.#dropCard(person);
    // A place in the list is nobody who could be gone.
    if (person.id === NO_ID || gone_s > LINE_S) return void this.#people.delete(person.key);
    const last = person.seen_at_s === null ? "" : `last seen at ${clock(person.seen_at_s)}`;
    const gone = make("span", { "data-gone": "" }, `gone ${Math.floor(gone_s)} s`);
    person.line = make("li", { "data-key": person.key }, make("b", {}, `#${person.id}`), make("span", {}, last), gone);
    setIdentity(person.line, person.color);
    element("gone").prepend(person.line);
  }

  #dropCard({ card }) {
    if (card.node.contains(document.activeElement)) {
      const next = card.node.nextElementSibling ?? card.node.previousElementSibling;
      next?.card.name.focus({ preventScroll: true });
    }
    this.#observer.unobserve(card.node);
    card.node.remove();
  }

  #remove(person) {
    if (person.line === null) this.#dropCard(person);
    else person.line.remove();
    this.#people.delete(person.key);
  }

  // The largest faces; a choice of the user is kept.
  #chooseUnasked() {
    const size = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    let room = CHOSEN_UNASKED;
    for (const { key } of this.#present) if (this.#people.get(key).chosen) room--;
    for (const { key } of [...this.#present].sort((a, b) => size(b) - size(a))) {
      const person = this.#people.get(key);
      if (room > 0 && !person.chosen && !person.asked) {
        person.chosen = true;
        room--;
      }
    }
  }

  #count() {
    const present = this.#present;
    const some = (count, words) => (count > 0 ? [`${count} ${words}`] : []);
    const words = [
      present.length === 0 ? "none in the picture" : `${present.length} in the picture`,
      ...some(present.filter(({ unsure }) => unsure).length, "not sure"),
      ...some(present.filter(({ outside_s }) => outside_s !== null).length, "away"),
    ];
    setText(element("count"), words.join(", "));
    setAttribute(element("people"), "data-count", present.length);
    setHidden(element("not-followed"), this.#followed || this.#people.size === 0);
  }
}

// Changes a list, and moves what stays from its old position to the new one.
function glide(list, change) {
  const place = ({ offsetLeft, offsetTop }) => [offsetLeft, offsetTop];
  const before = new Map([...list.children].map((child) => [child, place(child)]));
  change();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const child of list.children) {
    const [x, y] = place(child).map((now, i) => before.get(child)[i] - now);
    if (x === 0 && y === 0) continue;
    child.animate({ transform: [`translate(${x}px, ${y}px)`, "none"] }, { duration: GLIDE_MS, easing: "ease" });
  }
}
