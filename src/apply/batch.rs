//! A few futures at once, taken as they finish.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// A future of a batch.
pub(super) type Job<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Waits for the next of `jobs` to finish and takes it out. There must be one.
pub(super) async fn next<T>(jobs: &mut Vec<Job<'_, T>>) -> T {
    // Every job is polled on every wake: there are as many as downloads at once, a handful.
    poll_fn(|context| {
        for at in 0..jobs.len() {
            if let Poll::Ready(done) = jobs[at].as_mut().poll(context) {
                drop(jobs.swap_remove(at));
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_first_to_finish_comes_first() {
        let job = |ms| -> Job<'_, u64> {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                ms
            })
        };
        let mut jobs = vec![job(60), job(1)];
        assert_eq!(next(&mut jobs).await, 1);
        assert_eq!(next(&mut jobs).await, 60);
        assert!(jobs.is_empty());
    }
}
