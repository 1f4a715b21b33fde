/** Modules whose mere mention in a model file means an attack: they run programs, code, or reach files and networks. */
const MODULES: ReadonlySet<string> = new Set([
  "_posixsubprocess",
  "_socket",
  "aiohttp",
  "asyncio",
  "cffi",
  "ctypes",
  "distutils",
  "ensurepip",
  "ftplib",
  "http",
  "httplib",
  "importlib",
  "marshal",
  "multiprocessing",
  "nt",
  "ntpath",
  "os",
  "pip",
  "pkgutil",
  "posix",
  "posixpath",
  "pydoc",
  "requests",
  "shutil",
  "smtplib",
  "socket",
  "socketserver",
  "ssl",
  "subprocess",
  "sys",
  "tempfile",
  "threading",
  "urllib",
  "urllib2",
  "webbrowser",
  "winreg",
  "xmlrpc",
  "zipimport",
]);

/** As above, but without submodules: `code.models.Net` is somebody's own package, `code.interact` is Python's. */
const LEAF_MODULES: ReadonlySet<string> = new Set([
  "bdb",
  "code",
  "codeop",
  "commands",
  "imp",
  "pdb",
  "popen2",
  "profile",
  "pty",
  "runpy",
  "signal",
  "timeit",
  "trace",
  "venv",
]);

/** Single dangerous names in modules that are otherwise ordinary. */
const NAMES: ReadonlySet<string> = new Set([
  ..."__import__ apply breakpoint compile delattr dir eval exec execfile file getattr globals input locals open vars setattr"
    .split(" ")
    .flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
  "functools.partial",
  "functools.reduce",
  "operator.attrgetter",
  "operator.itemgetter",
  "operator.methodcaller",
  "pickle.load",
  "pickle.loads",
  "_pickle.load",
  "_pickle.loads",
  "dill.load",
  "dill.loads",
  "joblib.load",
  "numpy.load",
  "torch.load",
  "torch.jit.load",
  "torch.hub.load",
  "torch.hub.load_state_dict_from_url",
  "torch.hub.download_url_to_file",
  "torch.utils.cpp_extension.load",
  "torch.utils.cpp_extension.load_inline",
  "torch.storage._load_from_bytes",
  "types.CodeType",
  "types.FunctionType",
]);

/** True for a global that an honest model file never refers to. */
export function isDangerous(module: string, name: string): boolean {
  if (MODULES.has(module.split(".")[0]) || LEAF_MODULES.has(module)) return true;
  // STACK_GLOBAL may hide a path in the name: module "torch", name "os.system" or "serialization.os.system".
  const path = `${module}.${name}`;
  return (
    NAMES.has(path) || name.split(".").some((part, i, parts) => i < parts.length - 1 && MODULES.has(part))
  );
}
