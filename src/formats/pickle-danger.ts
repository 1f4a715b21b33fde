/** Modules whose mere mention in a model file means an attack: they run programs, code, or reach files and networks. */
const MODULES: ReadonlySet<string> = new Set([
  "_posixsubprocess",
  "_socket",
  "aiohttp",
  "asyncio",
  "bdb",
  "cffi",
  "code",
  "codeop",
  "commands",
  "ctypes",
  "distutils",
  "ensurepip",
  "ftplib",
  "http",
  "httplib",
  "imp",
  "importlib",
  "marshal",
  "multiprocessing",
  "nt",
  "ntpath",
  "os",
  "pdb",
  "pip",
  "pkgutil",
  "popen2",
  "posix",
  "posixpath",
  "profile",
  "pty",
  "pydoc",
  "requests",
  "runpy",
  "shutil",
  "signal",
  "smtplib",
  "socket",
  "socketserver",
  "ssl",
  "subprocess",
  "sys",
  "tempfile",
  "threading",
  "timeit",
  "trace",
  "urllib",
  "urllib2",
  "venv",
  "webbrowser",
  "winreg",
  "xmlrpc",
  "zipimport",
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
  if (MODULES.has(module.split(".")[0])) return true;
  // STACK_GLOBAL may hide a path in the name: module "torch", name "os.system" or "serialization.os.system".
  const path = `${module}.${name}`;
  return (
    NAMES.has(path) || name.split(".").some((part, i, parts) => i < parts.length - 1 && MODULES.has(part))
  );
}
