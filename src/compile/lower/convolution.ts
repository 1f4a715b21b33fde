import type { Lower, Lowerings } from "./lowering.ts";

const groupedConv: Lower<"groupedConv"> = (lowering, { inputs, parameters }) => {
  const { groups, strides, padding, dilations } = parameters;
  const pads = [...padding.map(([low]) => low), ...padding.map(([, high]) => high)];
  return lowering.emitter.op("Conv", lowering.names(inputs), { group: groups, strides, dilations, pads });
};

export const CONVOLUTION: Lowerings = { groupedConv };
