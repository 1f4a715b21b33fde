import { html, type Markup } from "../../audit/html/markup.ts";

/** The same drawing on two axes. */
export interface Variants {
  readonly log: Markup;
  readonly linear: Markup;
}

/** Both drawings, one of them shown; without the script that one stays. */
export function variants(drawings: Variants, shown: keyof Variants): Markup {
  const part = (name: keyof Variants) =>
    html`<div data-drawing data-variant="${name}"${name === shown ? null : html` hidden`}>${drawings[name]}</div>`;
  return html`${part("log")}${part("linear")}`;
}

/** The buttons that choose between them. */
export function choiceOf(shown: keyof Variants): Markup {
  const button = (name: keyof Variants, label: string) =>
    html`<button type="button" data-show="${name}" aria-pressed="${name === shown ? "true" : "false"}">${label}</button>`;
  return html`<div class="choice" role="group" aria-label="Axis">${button("log", "Log")}${button("linear", "Linear")}</div>`;
}
