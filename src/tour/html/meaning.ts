import { promiseSentence } from "../../audit/certify-text.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import type { Arm } from "./arms.ts";

/** What the numbers claim, and what they do not. */
export function meaningSection(arms: readonly Arm[], epsilons: readonly number[]): Markup {
  const items: readonly (readonly [string, string])[] = [
    [
      "Lipschitz constant",
      "The most by which the scores move, divided by how far the picture moved, over all pairs of pictures there are. Its lower end was seen between two pictures, its upper end is proved.",
    ],
    [
      "Certified radius",
      `${promiseSentence(arms[0].certificates)} A digit that is read wrongly has radius 0. A radius is the margin between the scores of the best two digits over how steeply their difference can change.`,
    ],
    [
      "Attacked",
      "What withstood an attack that knows the network and climbs along its gradients. Another attack may find more, so this lies above the truth, as the certified share of the same digits lies below it.",
    ],
    [
      "ε",
      "An ℓ2 length in units of pixels from 0 to 1: the root of the sum of the squares of all changes. It says nothing of shifts, rotations or other changes that people find small but that move many pixels a long way.",
    ],
    [
      "Weights",
      "Certificates speak of the weights in the exported files in real arithmetic. A runtime that rounds to float32 computes scores that differ in the last digits; one that rounds to float16 or int8 runs another network.",
    ],
    [
      "This run",
      "One seed and one split of the data: compare the networks with each other, not with published ones.",
    ],
  ];
  const list = items.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`);
  return html`<section aria-labelledby="meaning-title"><div class="section-head"><h2 id="meaning-title">What the numbers mean</h2></div><dl class="meaning">${list}</dl></section>
${nextSection(arms, epsilons)}`;
}

/** Commands for the files of the tour, and for files of one's own. */
function nextSection(arms: readonly Arm[], epsilons: readonly number[]): Markup {
  const files = arms.map(({ report }) => quoted(report.model)).join(" ");
  const last = quoted(arms[arms.length - 1].report.model);
  const commands: readonly (readonly [string, string])[] = [
    [
      "Audit the exported networks, one page each:",
      `lipschitz audit ${files} --guarantee proof --html audits`,
    ],
    [
      "Certify one of them on digits of your own (x: one row of 784 pixels from 0 to 1 each, y: labels):",
      `lipschitz certify ${last} --data digits.npz --epsilon ${epsilons.join(",")} --guarantee proof --html certificates.html`,
    ],
    [
      "How steep is your own model? ONNX, safetensors, PyTorch or NumPy, and a gate for CI:",
      "lipschitz audit model.onnx --html report.html --fail-above 50",
    ],
    [
      "Bring its steepness down without training it again:",
      "lipschitz normalize model.onnx --to 1 --preserve -o normalized.onnx",
    ],
  ];
  const items = commands.map(
    ([text, command]) => html`<div><p>${text}</p><pre><code>${command}</code></pre></div>`,
  );
  return html`<section aria-labelledby="next-title"><div class="section-head"><h2 id="next-title">Go on from here</h2></div><div class="commands">${items}</div></section>`;
}

/** A file name as a POSIX shell takes it. */
function quoted(file: string): string {
  return /^[\w./@:+-]+$/.test(file) && !file.startsWith("-") ? file : `'${file.replaceAll("'", "'\\''")}'`;
}
