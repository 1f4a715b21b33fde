import type { AuditReport, LayerReport, SigmaReport } from "../../src/audit/schema.ts";

/** Reports that look like real ones, made without a model: every state a reporter has to show. */

/** Small repeatable pseudo-random numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function sigma(value: number, gap = 0.004): SigmaReport {
  return {
    lower: value * (1 - gap / 2),
    upper: value * (1 + gap / 2),
    guarantee: "probable",
    method: "lanczos",
    iterations: 24,
  };
}

function decay(first: number, count: number, power: number): number[] {
  return Array.from({ length: count }, (_, i) => first * (i + 1) ** -power);
}

export function sampleLayer(name: string, value: number, extra: Partial<LayerReport> = {}): LayerReport {
  return {
    name,
    weight: `${name}.weight`,
    operator: "dense",
    shape: [512, 512],
    dtype: "float32",
    sigma: sigma(value),
    frobenius: value * 3.1,
    stableRank: 9.61,
    spectrum: decay(value, 32, 0.5),
    problems: [],
    ...extra,
  };
}

function base(layers: readonly LayerReport[], extra: Partial<AuditReport> = {}): AuditReport {
  const parameters = layers.reduce((sum, layer) => sum + layer.shape.reduce((a, b) => a * b, 1), 0);
  return {
    schema: "lipschitz.audit/1",
    model: { files: ["models/sample.onnx"], format: "onnx", bytes: 4 * parameters + 4096, parameters },
    settings: {
      guarantee: "probable",
      failureProbability: 1.3e-8,
      seed: "8410293847",
      threads: 2,
      version: "0.1.0",
    },
    coverage: { tensors: [layers.length, layers.length], parameters: [parameters, parameters] },
    layers,
    network: null,
    problems: [],
    ...extra,
  };
}

/** A chain of convolutions and dense layers with a finite bound. */
export function chainReport(): AuditReport {
  const sigmas = [2.31, 3.82, 1.94, 4.41, 6.2, 1.31];
  const layers = sigmas.map((value, i): LayerReport => {
    if (i >= 4) return sampleLayer(`fc${i - 3}`, value, { shape: i === 4 ? [128, 1024] : [10, 128] });
    const channels = 16 * 2 ** i;
    return sampleLayer(`conv${i + 1}`, value, {
      operator: "conv",
      shape: [channels, i === 0 ? 3 : channels / 2, 3, 3],
      reshapedSigma: { lower: value / 1.83, upper: (value / 1.83) * 1.001 },
      geometry: {
        inputShape: [i === 0 ? 3 : channels / 2, 32, 32],
        strides: [1, 1],
        padding: [
          [1, 1],
          [1, 1],
        ],
        dilations: [1, 1],
        groups: 1,
        boundary: "zero",
      },
      problems: i === 2 ? ["the lower bound uses the input size 32×32 found by shape inference"] : [],
    });
  });
  let cumulative = 1;
  const cascade = layers.flatMap((layer) => {
    cumulative *= layer.sigma!.upper!;
    const step = {
      node: layer.name,
      op: layer.operator === "conv" ? "Conv" : "Gemm",
      factor: layer.sigma!.upper!,
    };
    const relu = {
      node: `relu_${layer.name}`,
      op: "Relu",
      factor: 1,
      cumulative,
      because: "slope in [0, 1]",
    };
    return [{ ...step, cumulative, because: "σ of its weight" }, relu];
  });
  return base(layers, {
    model: { files: ["models/digits-cnn.onnx"], format: "onnx", bytes: 450053, parameters: 112006 },
    network: {
      lipschitz: { lower: 2.5134, upper: cumulative, guarantee: "probable", method: "product" },
      product: cumulative,
      cascade,
      unbounded: [],
    },
  });
}

/** A decoder-only transformer: embeddings, attention without a finite constant, warnings, unread weights. */
export function transformerReport(blocks = 50): AuditReport {
  const random = generator(7);
  const layers: LayerReport[] = [
    sampleLayer("model.embed_tokens", 61.3, {
      operator: "embedding",
      shape: [32000, 2048],
      dtype: "bfloat16",
    }),
  ];
  for (let block = 0; block < blocks; block++) {
    for (const part of [
      "self_attn.q_proj",
      "self_attn.k_proj",
      "self_attn.v_proj",
      "self_attn.o_proj",
      "mlp.up_proj",
      "mlp.down_proj",
    ]) {
      const value = 2 ** (3 * random()) * (part.startsWith("mlp") ? 3 : 1.2);
      const stable = 4 + 90 * random();
      layers.push(
        sampleLayer(`model.layers.${block}.${part}`, value, {
          dtype: "bfloat16",
          shape: part.startsWith("mlp") ? [5632, 2048] : [2048, 2048],
          frobenius: value * Math.sqrt(stable),
          stableRank: stable,
          spectrum: decay(value, 48, 0.2 + random() / 2),
        }),
      );
    }
  }
  layers[17] = {
    ...layers[17]!,
    sigma: null,
    frobenius: null,
    stableRank: null,
    spectrum: [],
    problems: ["holds 3 NaN values, first at element 1,048,577"],
  };
  layers[40] = { ...layers[40]!, problems: ["float16 values near the largest representable"] };
  const { sigma: _, ...rest } = layers[52]!;
  layers[52] = {
    ...rest,
    sigma: { lower: 3.1, upper: null, guarantee: "probable", method: "lanczos", iterations: 400 },
    problems: ["did not reach a gap of 1 % in 400 steps"],
  };
  return base(layers, {
    model: {
      files: ["llama/model-00001-of-00002.safetensors", "llama/model-00002-of-00002.safetensors"],
      format: "safetensors",
      bytes: 2_200_119_864,
      parameters: 1_100_048_384,
    },
    coverage: { tensors: [301, 345], parameters: [1_099_900_000, 1_100_048_384] },
    problems: [
      {
        severity: "error",
        where: layers[17]!.name,
        message: "holds 3 NaN values, first at element 1,048,577",
      },
      {
        severity: "warning",
        where: "model.rotary.inv_freq",
        message: "int8 weights are quantised; not audited",
      },
    ],
  });
}

/** A graph with operators that have no finite constant. */
export function unboundedReport(): AuditReport {
  const chain = chainReport();
  const unbounded = [
    "/blocks/0/attn/MatMul",
    "/blocks/1/attn/MatMul",
    "/blocks/2/attn/MatMul",
    "/head/Pow",
    "/head/Div",
    "/head/Exp",
  ];
  return {
    ...chain,
    network: {
      lipschitz: { lower: 2.5, upper: null, guarantee: "probable", method: "product" },
      product: null,
      cascade: [],
      unbounded: unbounded.map((node) => ({
        node,
        op: node.split("/").at(-1)!,
        because: "product of two activations: no finite constant over the whole space",
      })),
    },
  };
}

/** Estimates only: no upper bounds anywhere, no spectra. */
export function estimateReport(): AuditReport {
  const chain = chainReport();
  const layers = chain.layers.map((layer): LayerReport => {
    const { spectrum: _, ...rest } = layer;
    const value = layer.sigma!.lower;
    return {
      ...rest,
      sigma: { lower: value, upper: null, estimate: value * 1.0002, guarantee: "estimate", method: "power" },
    };
  });
  return {
    ...chain,
    settings: { ...chain.settings, guarantee: "estimate", failureProbability: null },
    layers,
    network: {
      lipschitz: { lower: 1.2, upper: null, guarantee: "estimate", method: "product" },
      product: null,
      cascade: [],
      unbounded: [],
    },
  };
}

export const HOSTILE_NAMES = [
  "</script><img src=x onerror=alert(1)>",
  '"><svg onload=alert(1)>',
  "<!--<script>alert(1)//",
  "`$\\{alert(1)}'",
  "=HYPERLINK(1)",
  "evil\u202egnp.exe\u0000\u001b[31m",
  `model.${"very_long_block_name.".repeat(14)}weight`,
  "層.注意.重み",
];

/** Names, messages and files that try to break out of the page or the terminal. */
export function hostileReport(): AuditReport {
  const layers = HOSTILE_NAMES.map((name, i) =>
    sampleLayer(name, 1 + i, { weight: name, dtype: "<b>f32</b>", problems: [`problem with ${name}`] }),
  );
  return base(layers, {
    model: {
      files: ["</title><script>alert(1)</script>.npz"],
      format: "<i>npz</i>",
      bytes: 12,
      parameters: 3,
    },
    problems: HOSTILE_NAMES.map((name) => ({ severity: "warning", where: name, message: name })),
  });
}

/** No weight at all. */
export function emptyReport(): AuditReport {
  return base([], {
    problems: [{ severity: "warning", where: "tokens", message: "int64 values are no weights; not audited" }],
  });
}
