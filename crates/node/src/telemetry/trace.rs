//! Traces of jobs for an OpenTelemetry collector, over OTLP in gRPC.
//!
//! A job is one trace: a span `job` and in it a span for each state it is in. Their fields are `&'static str`: side,
//! protocol, the state it ended in and the reason. Events and spans of anything else never leave, as the layer takes
//! spans of the target [`TARGET`] only. The endpoint is on this machine: a collector's agent sends on from there over
//! its own secured connection.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::error::{Environment, Error};

/// The target of the spans that are exported.
pub(crate) const TARGET: &str = "symbolon_job";

/// Time for one delivery to the collector.
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// Sends what is left when it is dropped.
#[derive(Debug)]
pub(super) struct Exporting(SdkTracerProvider);

impl Drop for Exporting {
    fn drop(&mut self) {
        if self.0.shutdown_with_timeout(EXPORT_MAX).is_err() {
            tracing::warn!("the last traces could not be delivered");
        }
    }
}

/// Prepares the export; connections are made when there is something to send. Needs a tokio runtime.
pub(super) fn exporting(endpoint: &str) -> Result<Exporting, Error> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_MAX).build();
    let exporter = exporter.map_err(|_| Environment::Worker)?;
    // No detectors: they would add names of host, user and process.
    let resource = Resource::builder_empty().with_service_name("symbolon").build();
    Ok(Exporting(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build()))
}

/// The layer that hands spans of jobs to the exporter.
pub(super) fn layer<S>(exporting: &Exporting) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let tracer = exporting.0.tracer("symbolon");
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(exported))
}

fn exported(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TARGET
}

/// The spans of one job.
#[derive(Debug)]
pub(crate) struct JobTrace {
    job: Span,
    state: Mutex<Span>,
}

impl JobTrace {
    /// The job begins.
    pub(crate) fn begin() -> Self {
        let empty = tracing::field::Empty;
        let job = tracing::info_span!(
            target: TARGET, parent: None, "job", side = empty, protocol = empty, outcome = empty, reason = empty
        );
        Self { job, state: Mutex::new(Span::none()) }
    }

    /// The job is of this protocol.
    pub(crate) fn protocol(&self, protocol: &'static str) {
        self.job.record("protocol", protocol);
    }

    /// The job moves on to a state.
    pub(crate) fn state(&self, state: &'static str) {
        let next = tracing::info_span!(target: TARGET, parent: &self.job, "state", otel.name = state);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// The job ended.
    pub(crate) fn end(&self, side: &'static str, outcome: &'static str, reason: &'static str) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Span::none();
        self.job.record("side", side);
        self.job.record("outcome", outcome);
        self.job.record("reason", reason);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::{Request, Response, Status};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    struct Collector(mpsc::Sender<ExportTraceServiceRequest>);

    #[tonic::async_trait]
    impl TraceService for Collector {
        async fn export(
            &self,
            request: Request<ExportTraceServiceRequest>,
        ) -> Result<Response<ExportTraceServiceResponse>, Status> {
            self.0.send(request.into_inner()).await.unwrap();
            Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_gets_the_spans_of_a_job_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, mut received) = mpsc::channel(16);
        let collector = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(sender)));
        let collector = tokio::spawn(collector.serve_with_incoming(TcpListenerStream::new(listener)));

        let exporting = exporting(&endpoint).unwrap();
        let subscriber = tracing_subscriber::registry().with(layer(&exporting));
        tracing::subscriber::with_default(subscriber, || {
            let trace = JobTrace::begin();
            trace.protocol("ecdh-oprf");
            trace.state("checking");
            let foreign = tracing::info_span!("customer", name = "078-05-1120").entered();
            tracing::error!(customer = "078-05-1120", "never exported");
            drop(foreign);
            trace.state("running");
            trace.end("responder", "failed", "PEER_GONE");
        });
        tokio::task::spawn_blocking(move || drop(exporting)).await.unwrap();
        collector.abort();

        let mut spans = Vec::new();
        while let Ok(request) = received.try_recv() {
            assert!(!format!("{request:?}").contains("078-05"));
            let resources = request.resource_spans.into_iter();
            spans.extend(resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans));
        }
        let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["checking", "job", "running"]);
        let job = spans.iter().find(|span| span.name == "job").unwrap();
        let mut fields: Vec<_> = job.attributes.iter().map(|field| field.key.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["outcome", "protocol", "reason", "side"]);
        assert!(spans.iter().all(|span| span.events.is_empty() && span.trace_id == job.trace_id));
        assert!(spans.iter().filter(|span| span.name != "job").all(|span| span.parent_span_id == job.span_id));
    }
}
