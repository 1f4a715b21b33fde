/**
 * lipschitz: know, bound and control how steep a neural network is.
 *
 * Operators and their norms are pure and synchronous; models are opened from a path, a Blob or bytes and audited one
 * weight at a time. Everything here runs in Node and in browsers; only paths and writing need Node.
 */

export { certify } from "./audit/certify.ts";
export type {
  CertifyReport,
  CertifySettings,
  ClassReport,
  RadiiReport,
  Violation,
} from "./audit/certify-schema.ts";
export type { CertifyOptions, CertifyProgress } from "./audit/certify-settings.ts";
export { type DiffLayer, type DiffOptions, type DiffReport, diff } from "./audit/diff.ts";
export { PromiseError, UsageError } from "./audit/errors.ts";
export { checkGates, type Gates } from "./audit/gates.ts";
export { renderCertifyReport } from "./audit/html/certify-report.ts";
export type { FailedModel, IndexEntry } from "./audit/html/index-page.ts";
export { renderIndex, renderReport } from "./audit/html/report.ts";
export type { AuditPoints } from "./audit/interval.ts";
export {
  type Normalization,
  type NormalizedLayer,
  type NormalizeOptions,
  type NormalizeProgress,
  type NormalizeReport,
  normalize,
} from "./audit/normalize.ts";
export type { OutputsReport, PointsSource } from "./audit/output-change.ts";
export type { PreserveReport } from "./audit/preserve.ts";
export { type AuditOptions, type AuditProgress, audit } from "./audit/run.ts";
export type {
  AuditReport,
  GeometryReport,
  LayerReport,
  LocalReport,
  NetworkReport,
  Problem,
  SigmaReport,
} from "./audit/schema.ts";
export type { CommonOptions } from "./audit/settings.ts";
export type { NormalizeMethod } from "./audit/shrink.ts";
export * from "./core.ts";
export { type LabelledPoints, type LabelledSources, readLabelled } from "./formats/data/labelled.ts";
export type { LabelValues, PointValues } from "./formats/data/memory.ts";
export type { DataSource } from "./formats/data/open.ts";
export { type Points, readPoints } from "./formats/data/points.ts";
export type { DType, FloatType, OpaqueType } from "./formats/dtype.ts";
export { FormatError, type FormatErrorCode, type FormatErrorPlace } from "./formats/errors.ts";
export type {
  ByteRange,
  Model,
  ModelWarning,
  OutputChunk,
  OutputFile,
  TensorEntry,
} from "./formats/model.ts";
export { type OpenOptions, openModel } from "./formats/open.ts";
export type { ByteSource } from "./formats/source.ts";
export type { AttackSearch, AttackTarget } from "./network/attack-search.ts";
export { type BallBound, type BoundedNetwork, bound, type NetworkBoundOptions } from "./network/bound.ts";
export type { SampledSteepness } from "./network/bounds/lower.ts";
export type { KnownNorm } from "./network/bounds/upper.ts";
export type { Certifier, NetworkBound, PointCertificate } from "./network/certificate.ts";
export { type CertifierOptions, makeCertifier } from "./network/certifier.ts";
export { enclose, pointBox } from "./network/enclose.ts";
export { forward, jvp, outputsOf, type Tape, vjp } from "./network/evaluate.ts";
export { type ImportOptions, importOnnx } from "./network/import-onnx.ts";
export type { InputShapes } from "./network/input-shapes.ts";
export { InputShapeError } from "./network/input-shapes.ts";
export {
  type Network,
  NetworkError,
  type NetworkInput,
  type NetworkNode,
  type NetworkOutput,
  type Ref,
} from "./network/network.ts";
export type {
  AffineOperation,
  Box,
  ElementwiseOperation,
  GeneralOperation,
  LinearPart,
  Operation,
  ScalarFunction,
  Sensitivity,
} from "./network/operators/operation.ts";
export type { OperatorKind } from "./network/use.ts";
export { PlatformError } from "./platform/builtin.ts";
export { WriteError } from "./platform/files.ts";
export { VERSION } from "./version.ts";
