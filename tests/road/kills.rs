//! The process is killed between every two steps.
