import { describe, expect, it } from "vitest";
import { checkOutputName } from "./output-name.ts";

describe("checkOutputName", () => {
  it.each([
    ["pytorch", "x.safetensors", "the output stays PyTorch; name it .pt"],
    ["pytorch", "x.ONNX", "the output stays PyTorch; name it .pt"],
    ["onnx", "x.bin", "the output stays ONNX; name it .onnx"],
    ["safetensors", "a.pt/x.npz", "the output stays safetensors; name it .safetensors"],
    ["npz", "x.npy", "the output stays NumPy (npz); name it .npz"],
    ["npy", "x.safetensors.index.json", "the output stays NumPy (npy); name it .npy"],
  ])("a %s model is not written to %s", (format, name, message) => {
    expect(() => checkOutputName(name, format)).toThrow(
      expect.objectContaining({ name: "UsageError", message: `${name}: ${message}` }),
    );
  });

  it.each([
    ["pytorch", "x.pth"],
    ["pytorch", "pytorch_model.bin.index.json"],
    ["safetensors", "model.safetensors.index.json"],
    ["onnx", "x.onnx"],
    ["npy", "x.NPY"],
    ["onnx", "x"],
    ["onnx", "x.new"],
    ["npz", "folder.onnx/x"],
  ])("a %s model may be written to %s", (format, name) => {
    expect(() => checkOutputName(name, format)).not.toThrow();
  });
});
