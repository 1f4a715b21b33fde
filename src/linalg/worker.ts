import { serveTasks } from "../platform/threads.ts";
import { tasks } from "./tasks.ts";

serveTasks(tasks);
