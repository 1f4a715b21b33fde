import fc from "fast-check";
import { expect, it } from "vitest";
import { escapeHtml, html, jsonForScript, trusted } from "./markup.ts";

it("escapes every interpolated text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const made = html`<p title="${text}">${text}</p>`.text;
      const inside = made.slice('<p title="'.length, -"</p>".length);
      expect(inside.split('">').length).toBe(2);
      expect(inside.replace('">', "")).not.toMatch(/[<>"']/);
    }),
  );
});

it("places markup as it is, and lists of it joined", () => {
  expect(html`<b>${html`<i>${"<"}</i>`}${[trusted("<u>"), trusted("</u>")]}${null}${3}</b>`.text).toBe(
    "<b><i>&lt;</i><u></u>3</b>",
  );
});

it("shows control and direction characters", () => {
  expect(escapeHtml("a\u202eb\u0000")).toBe("a\\u202eb\\x00");
});

it("keeps JSON from ending its script element", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = jsonForScript(["</script><!--", value]).text;
      expect(text).not.toContain("<");
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(["</script><!--", value])));
    }),
  );
});
